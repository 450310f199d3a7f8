/** TCP with TLS: real certificates, real connections, and the command's own client. */
import { createServer, type Server } from "node:http";
import { connect as connectTcp, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type ListenTlsOptions, listenTls, type TlsListener } from "../../../../src/daemon/api/listen-tls.ts";
import { certificateOf, checkPeer } from "../../../../src/daemon/api/peers.ts";
import { PENDING_LIMITS, PendingClients } from "../../../../src/daemon/api/pending-clients.ts";
import { rawAnswer } from "../../../../src/daemon/api/raw-answer.ts";
import { Client } from "../../../../src/daemon/client.ts";
import { type ClientTls, TcpTransport } from "../../../../src/daemon/transport/tcp.ts";
import { Certificates, type Pair } from "../../../support/certificates.ts";

const pki = new Certificates();
const made: Record<string, Pair> = {};
beforeAll(() => {
  const server = { names: "DNS:localhost,IP:127.0.0.1", usage: "serverAuth" } as const;
  made.ca = pki.authority("ca");
  made.other = pki.authority("other");
  made.impostor = pki.authority("impostor", "ca");
  made.server = pki.leaf("server", "ca", server);
  made.elsewhere = pki.leaf("elsewhere", "ca", { ...server, names: "DNS:elsewhere.example" });
  made.oldServer = pki.leaf("oldServer", "ca", { ...server, days: -1 });
  made.client = pki.leaf("client", "ca", { usage: "clientAuth" });
  made.oldClient = pki.leaf("oldClient", "ca", { usage: "clientAuth", days: -1 });
  made.stranger = pki.leaf("stranger", "other", { usage: "clientAuth" });
  made.forged = pki.leaf("forged", "impostor", { usage: "clientAuth" });
});
afterAll(() => pki.remove());

const listeners: TlsListener[] = [];
const servers: Server[] = [];
const sockets: (Socket | TLSSocket)[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(listeners.splice(0).map((each) => each.close()));
  for (const server of servers.splice(0)) server.closeAllConnections();
});

/** A server that answers with the name in the client's certificate. */
async function start(more: Partial<ListenTlsOptions> = {}): Promise<TlsListener> {
  const server = createServer((request, response) => {
    try {
      checkPeer(request);
      response.end(JSON.stringify({ name: certificateOf(request)?.subject.CN ?? "no certificate" }));
    } catch (error) {
      request.socket.end(rawAnswer(error));
    }
  });
  servers.push(server);
  const { cert, key } = made.server!;
  const options = {
    address: "127.0.0.1",
    port: 0,
    maxConnections: 1000,
    cert,
    key,
    ca: made.ca!.cert,
    ...more,
  };
  const listener = await listenTls(server, options);
  listeners.push(listener);
  return listener;
}

function clientOf(
  { port }: { port: number },
  by: Pair | undefined,
  more: Partial<ClientTls> = {},
  host = "localhost",
) {
  const tls = { ca: made.ca!.cert, cert: by?.cert, key: by?.key, verify: true, ...more };
  return new Client(new TcpTransport({ kind: "tcp", host, port }, tls));
}

const ask = (client: Client) => client.json<{ name: string }>("GET", "/");
const failure = (client: Client) =>
  ask(client).then(
    () => expect.unreachable("the request succeeded"),
    (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
  );
const closed = (socket: Socket) => new Promise<void>((resolve) => socket.once("close", () => resolve()));

function raw(
  { port }: { port: number },
  by: Pair | undefined,
  more: ConnectionOptions = {},
): Promise<TLSSocket> {
  const identity = by ? { cert: by.cert, key: by.key } : {};
  const socket = connectTls({ host: "127.0.0.1", port, ca: made.ca!.cert, ...identity, ...more });
  sockets.push(socket);
  socket.on("error", () => {});
  return new Promise((resolve) => socket.once("secureConnect", () => resolve(socket)));
}

describe("a TLS listener", () => {
  it("knows its client by the certificate, by name and by address", async () => {
    const listener = await start();
    expect(await ask(clientOf(listener, made.client))).toEqual({ name: "client" });
    expect(await ask(clientOf(listener, made.client, {}, "127.0.0.1"))).toEqual({ name: "client" });
  });

  it.each([
    ["without a certificate", () => undefined, "bayd requires a client certificate"],
    ["of another authority", () => made.stranger, '"stranger" is signed by an unknown authority'],
    ["of an authority with the same name", () => made.forged, '"forged" is signed by an unknown authority'],
    ["with an expired certificate", () => made.oldClient, '"oldClient" has expired'],
    ["with the certificate of a server", () => made.server, '"server" is not valid for this side'],
  ])("refuses a client %s, by name", async (_title, by, message) => {
    const refused = await failure(clientOf(await start(), by()));
    expect(refused).toContain("NO_ACCESS");
    expect(refused).toContain(message);
  });

  it("does not speak older versions of TLS", async () => {
    const { port } = await start();
    const { cert, key } = made.client!;
    const socket = connectTls({
      host: "127.0.0.1",
      port,
      ca: made.ca!.cert,
      cert,
      key,
      maxVersion: "TLSv1.2",
    });
    const error = await new Promise<{ code: string }>((resolve) => socket.once("error", resolve as never));
    expect(error.code).toMatch(/PROTOCOL_VERSION/);
  });

  it("never resumes a session, which would skip the check of the certificate", async () => {
    const listener = await start();
    const socket = await raw(listener, made.client);
    let session: Buffer | undefined;
    socket.on("session", (ticket) => (session = ticket));
    socket.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    socket.resume();
    await closed(socket);
    const again = await raw(listener, made.client, session ? { session } : {});
    expect(again.isSessionReused()).toBe(false);
  });

  it("closes a client that does not begin its handshake", async () => {
    const listener = await start({ handshakeTimeout: 1000 });
    const slow = connectTcp(listener.port, "127.0.0.1");
    sockets.push(slow.on("error", () => {}));
    // half of the header of a record
    slow.write(Buffer.from([0x16, 0x03, 0x01]));
    await closed(slow);
    expect(await ask(clientOf(listener, made.client))).toEqual({ name: "client" });
  });

  it("admits a client while many others of its address have not finished their handshakes", async () => {
    const listener = await start();
    const slow = Array.from({ length: 3 * PENDING_LIMITS.ofAddress }, () => {
      const socket = connectTcp(listener.port, "127.0.0.1");
      sockets.push(socket.on("error", () => {}));
      return socket;
    });
    // the oldest ones are closed
    await Promise.all(slow.slice(0, 2 * PENDING_LIMITS.ofAddress).map(closed));
    expect(await ask(clientOf(listener, made.client))).toEqual({ name: "client" });
  });

  it("disconnects a client that is not allowed any more at the next check, and refuses it from then on", async () => {
    const withdrawn = new Set<string>();
    const listener = await start({ isAllowed: ({ subject }) => !withdrawn.has(String(subject.CN)) });
    const socket = await raw(listener, made.client);
    socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await new Promise((resolve) => socket.once("data", resolve));
    withdrawn.add("client");
    listener.recheck();
    await closed(socket);
    expect(await failure(clientOf(listener, made.client))).toContain('"client" is no longer allowed');
  });

  it("keeps connections when its certificate is renewed, and closes them when the authority changes", async () => {
    const listener = await start();
    const socket = await raw(listener, made.client);
    const get = () => {
      socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
      return new Promise((resolve) => socket.once("data", resolve));
    };
    await get();
    listener.renew({ ...made.elsewhere!, ca: made.ca!.cert });
    await get();
    expect(await failure(clientOf(listener, made.client))).toContain("is valid for another host name");
    listener.renew({ ...made.server!, ca: made.other!.cert });
    await closed(socket);
    expect(await failure(clientOf(listener, made.client))).toContain("is signed by an unknown authority");
    expect(await ask(clientOf(listener, made.stranger))).toEqual({ name: "stranger" });
  });

  it("refuses certificates that cannot be used, and keeps the earlier ones", async () => {
    const listener = await start();
    const broken = { cert: made.server!.cert, key: made.client!.key, ca: made.ca!.cert };
    expect(() => listener.renew(broken)).toThrowError(expect.objectContaining({ code: "BAD_CERTIFICATE" }));
    expect(await ask(clientOf(listener, made.client))).toEqual({ name: "client" });
    await expect(start({ cert: "-----BEGIN CERTIFICATE-----" })).rejects.toMatchObject({
      code: "BAD_CERTIFICATE",
    });
  });

  it("lets clients without a certificate request the paths that it names, and nothing else", async () => {
    const listener = await start({ anonymousPaths: ["/join"] });
    const client = clientOf(listener, undefined);
    expect(await client.json("POST", "/join?x=1", {})).toEqual({ name: "no certificate" });
    for (const path of ["/", "/join/", "//join", "/join/../x", "/JOIN", "/join%2f"])
      await expect(client.json("GET", path)).rejects.toMatchObject({ code: "NO_ACCESS" });
    expect(await failure(clientOf(listener, made.stranger))).toContain("unknown authority");
  });

  it("closes all of its connections when it is closed", async () => {
    const listener = await start();
    const socket = await raw(listener, made.client);
    await listener.close();
    await closed(socket);
  });
});

describe("the command's client", () => {
  it.each([
    [
      "another authority",
      () => made.server,
      () => ({ ca: made.other!.cert }),
      "is signed by an unknown authority",
    ],
    [
      "an authority with the same name",
      () => made.server,
      () => ({ ca: made.impostor!.cert }),
      "is signed by an unknown authority",
    ],
    [
      "the certificate of another host",
      () => made.elsewhere,
      () => ({}),
      "for another host name; it is valid for DNS:elsewhere.example",
    ],
    ["an expired certificate", () => made.oldServer, () => ({}), "has expired"],
  ])("does not talk to a server with %s, and says so", async (_title, server, client, message) => {
    const listener = await start(server());
    const refused = await failure(clientOf(listener, made.client, client()));
    expect(refused).toMatch(/^BAD_CERTIFICATE: tcp:\/\/localhost:\d+: the certificate of the server /);
    expect(refused).toContain(message);
  });

  it("does not check the server if it is told so", async () => {
    const listener = await start(made.oldServer);
    expect(await ask(clientOf(listener, made.client, { verify: false, ca: undefined }))).toEqual({
      name: "client",
    });
  });

  it("says that a server does not speak TLS, or cannot be reached", async () => {
    const plain = createServer((_request, response) => response.end("{}"));
    servers.push(plain);
    await new Promise<void>((resolve) => plain.listen(0, "127.0.0.1", resolve));
    const { port } = plain.address() as { port: number };
    expect(await failure(clientOf({ port }, made.client))).toContain("does not speak TLS on this port");
    await new Promise((resolve) => plain.close(resolve));
    expect(await failure(clientOf({ port }, made.client))).toMatch(
      /HOST_UNREACHABLE.*connection was refused/,
    );
    expect(await failure(clientOf({ port }, made.client, {}, "absent.invalid"))).toMatch(
      /HOST_UNREACHABLE.*resolved/,
    );
  });

  it("refuses a plain connection to another computer", () => {
    const make = () => new TcpTransport({ kind: "tcp", host: "192.0.2.1", port: 2375 }, undefined);
    expect(make).toThrowError(expect.objectContaining({ code: "TLS_REQUIRED" }));
  });

  it("says that a server is not bayd", async () => {
    const docker = createServer((_request, response) => {
      response.writeHead(404, { Server: "Docker/28.2.2 (linux)" }).end('{"message":"page not found"}');
    });
    servers.push(docker);
    await new Promise<void>((resolve) => docker.listen(0, "127.0.0.1", resolve));
    const { port } = docker.address() as { port: number };
    const client = new Client(new TcpTransport({ kind: "tcp", host: "127.0.0.1", port }, undefined));
    await expect(client.json("GET", "/bay/v1/stacks")).rejects.toMatchObject({
      code: "NOT_BAYD",
      message: expect.stringContaining("Docker/28.2.2"),
    });
    docker.close();
  });
});

describe("clients that have not shown a certificate", () => {
  const fake = (address: string) => {
    const socket = {
      remoteAddress: address,
      destroyed: false,
      once: () => socket,
      destroy: () => (socket.destroyed = true),
    };
    return socket as unknown as Socket & { destroyed: boolean };
  };

  it("are limited in all and for each address: the oldest is closed", () => {
    const pending = new PendingClients(PENDING_LIMITS, () => 0);
    const one = Array.from({ length: PENDING_LIMITS.ofAddress + 1 }, () => fake("192.0.2.1"));
    for (const socket of one) pending.add(socket);
    expect(one.map(({ destroyed }) => destroyed).indexOf(false)).toBe(1);
    const many = Array.from({ length: PENDING_LIMITS.all }, (_, index) => fake(`198.51.100.${index}`));
    for (const socket of many) pending.add(socket);
    expect(many.every(({ destroyed }) => !destroyed)).toBe(true);
  });

  it("of one address, or one IPv6 network, come at a limited rate", () => {
    let now = 0;
    const pending = new PendingClients(PENDING_LIMITS, () => now);
    const admitted = (address: (index: number) => string, count: number) =>
      Array.from({ length: count }, (_, index) => {
        const socket = fake(address(index));
        pending.add(socket);
        pending.release(socket);
        return socket;
      }).filter(({ destroyed }) => !destroyed).length;
    expect(admitted(() => "192.0.2.1", 1000)).toBe(PENDING_LIMITS.burst);
    expect(admitted((index) => `2001:db8::${index.toString(16)}`, 1000)).toBe(PENDING_LIMITS.burst);
    expect(admitted((index) => `2001:db8:0:0:1::${index.toString(16)}`, 10)).toBe(0);
    expect(admitted((index) => `2001:db8:0:1::${index.toString(16)}`, 10)).toBe(10);
    now += 1000;
    expect(admitted(() => "192.0.2.1", 1000)).toBe(PENDING_LIMITS.rate);
  });
});
