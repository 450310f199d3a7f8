/** The listener for other hosts ends whatever its connections do. */
import { once } from "node:events";
import { connect } from "node:net";
import { connect as connectTls } from "node:tls";
import { describe, expect, it } from "vitest";
import {
  createAuthority,
  issueCertificate,
  requestCertificate,
  validFrom,
} from "../../../src/host/identity/certificates.ts";
import type { Identity } from "../../../src/host/identity/identity-files.ts";
import { PeerListener, STRANGER_LIMITS } from "../../../src/host/identity/peer-listener.ts";
import type { Member } from "../../../src/host/model/member.ts";

const freePort = async () => {
  const { createServer } = await import("node:net");
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  return port;
};

const unlimited = { maxConnections: 1000, pending: { add: () => {}, release: () => {} } };

async function identityOf(id: string): Promise<{ identity: Identity; member: Member }> {
  const authority = await createAuthority("c".repeat(32));
  const { request, key } = await requestCertificate();
  const certificate = await issueCertificate(authority, request, id);
  return {
    identity: { id, cluster: "c", authority: authority.certificate, certificate, key },
    member: { id, name: "b", validFrom: validFrom(certificate) } as Member,
  };
}

describe("the listener for other hosts", () => {
  it("stops although a member and a connection without a handshake stay open", async () => {
    const { identity, member } = await identityOf("b".repeat(32));
    const served: string[] = [];
    const listener = new PeerListener({
      members: () => [member],
      serve: (_socket, { name }) => served.push(name),
      join: () => {},
      warn: () => {},
      ...unlimited,
    });
    const port = await freePort();
    await listener.start(identity, port);
    const raw = connect(port, "127.0.0.1");
    await once(raw, "connect");
    const { key, certificate: cert, authority: ca } = identity;
    const peer = connectTls({
      port,
      host: "127.0.0.1",
      key,
      cert,
      ca,
      servername: "",
      checkServerIdentity: () => undefined,
    });
    peer.on("error", () => {});
    await once(peer, "secureConnect");
    while (served.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const ended = [once(raw, "close"), once(peer, "close")];
    await listener.stop();
    await Promise.all(ended);
    expect(served).toEqual(["b"]);
  });

  it("ends the connection of a host that is no longer a member", async () => {
    const { identity, member } = await identityOf("b".repeat(32));
    let members = [member];
    let isServed = false;
    const listener = new PeerListener({
      members: () => members,
      serve: () => {
        isServed = true;
      },
      join: () => {},
      warn: () => {},
      ...unlimited,
    });
    const port = await freePort();
    await listener.start(identity, port);
    const { key, certificate: cert, authority: ca } = identity;
    const peer = connectTls({
      port,
      host: "127.0.0.1",
      key,
      cert,
      ca,
      servername: "",
      checkServerIdentity: () => undefined,
    });
    peer.on("error", () => {});
    const ended = once(peer, "close");
    await once(peer, "secureConnect");
    while (!isServed) await new Promise((resolve) => setTimeout(resolve, 5));
    members = [];
    while (!peer.destroyed) {
      listener.enforce();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await ended;
    await listener.stop();
  });

  it("ends the oldest connection of a client that holds many without a certificate", async () => {
    const { identity } = await identityOf("b".repeat(32));
    const handshakes = new Set<unknown>();
    const listener = new PeerListener({
      members: () => [],
      serve: () => {},
      join: (_request, response) => void response.end("joined"),
      warn: () => {},
      maxConnections: 1000,
      pending: {
        add: (socket) => void handshakes.add(socket),
        release: (socket) => void handshakes.delete(socket),
      },
    });
    const port = await freePort();
    await listener.start(identity, port);
    const stranger = async () => {
      const socket = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false });
      socket.on("error", () => {});
      const ended = once(socket, "close");
      await once(socket, "secureConnect");
      return { socket, ended };
    };
    const first = await stranger();
    const others = [];
    for (let count = 0; count < STRANGER_LIMITS.ofAddress; count++) others.push(await stranger());
    await first.ended;
    // the newest is served
    const { socket } = others.at(-1)!;
    socket.write("POST /bay/v1/host/join HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    const [answer] = (await once(socket, "data")) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1.1 200 /);
    expect(handshakes.size).toBe(0);
    await listener.stop();
  });
});
