/** Published ports by real sockets on loopback, and the process that keeps them. */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bindSocket, close } from "../../../../src/linux/index.ts";
import type { PublishedPort } from "../../../../src/network/model/network.ts";
import { KeptSockets } from "../../../../src/network/ports/kept-sockets.ts";
import { PortHolder, portKey, portOwner } from "../../../../src/network/ports/port-holder.ts";

let folder: string;
let kept: KeptSockets;
let holder: PortHolder;
const port = (hostPort: number, more: Partial<PublishedPort> = {}): PublishedPort => ({
  hostAddress: "127.0.0.1",
  hostPort,
  protocol: "tcp",
  containerPort: 80,
  target: "127.0.0.1",
  container: "web",
  ...more,
});
/** A port that is free now; nothing else uses those below the dynamic range. */
const freePort = () => {
  const { fd, port: found } = bindSocket("tcp", "127.0.0.1");
  close(fd);
  return found;
};
const code = (name: string) => expect.objectContaining({ code: name });

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bay-ports-"));
  kept = new KeptSockets(folder);
  holder = new PortHolder(kept);
});
afterEach(() => {
  for (const container of ["web", "db"]) holder.releaseOf(container);
  kept.settle(); // ends the process that keeps the sockets
  rmSync(folder, { recursive: true });
});

describe("a published port", () => {
  it("is held for one container, which may take it again", async () => {
    const wanted = await holder.holdAny(port(0));
    expect(wanted.hostPort).toBeGreaterThanOrEqual(32768);
    expect(holder.holds(wanted)).toBe(true);
    await holder.hold({ ...wanted, target: "127.0.0.2" });
    await expect(holder.hold({ ...wanted, container: "db" })).rejects.toThrow(
      `port 127.0.0.1:${wanted.hostPort}/tcp is taken by the container web`,
    );
    await expect(holder.hold({ ...wanted, container: "db", hostAddress: "" })).rejects.toThrow(
      `is taken by the container web, which publishes 127.0.0.1:${wanted.hostPort}/tcp`,
    );
    expect(holder.holds({ ...wanted, container: "db" })).toBe(false);
  });

  it("is refused with the name of the program that has it", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const taken = (other.address() as { port: number }).port;
    expect(portOwner(taken, "tcp")).toMatch(new RegExp(`^.+ \\(pid ${process.pid}\\)$`));
    await expect(holder.hold(port(taken))).rejects.toThrow(
      new RegExp(`^port 127.0.0.1:${taken}/tcp is taken by .+ \\(pid ${process.pid}\\)$`),
    );
    other.close();
    await once(other, "close");
    expect(portOwner(taken, "udp")).toBeUndefined();
  });

  it("is the first free one of a range", async () => {
    const first = (await holder.holdAny(port(0))).hostPort;
    const next = await holder.holdOneOf(port(0), first, first + 20);
    expect(next.hostPort).toBeGreaterThan(first);
    await expect(holder.holdOneOf(port(0, { container: "db" }), first, first)).rejects.toThrow(
      `all ports from ${first} to ${first} are taken`,
    );
  });

  it("names an address that the host does not have", async () => {
    await expect(holder.hold(port(freePort(), { hostAddress: "203.0.113.7" }))).rejects.toThrow(
      code("PORT_FAILED"),
    );
  });

  it("is free after its release, except for those that are kept", async () => {
    const [one, two] = [await holder.holdAny(port(0)), await holder.holdAny(port(0, { protocol: "udp" }))];
    holder.releaseOf("web", [two]);
    expect([holder.holds(one), holder.holds(two)]).toEqual([false, true]);
    await holder.hold({ ...one, container: "db" });
    expect(holder.holds({ ...one, container: "db" })).toBe(true);
  });

  it("passes connections to the container that has it now", async () => {
    const servers: Server[] = [];
    const serve = async (text: string) => {
      const server = createServer((socket) => socket.end(text)).listen(0, "127.0.0.1");
      servers.push(server);
      await once(server, "listening");
      return (server.address() as { port: number }).port;
    };
    const read = (at: number) =>
      new Promise<string>((resolve) => {
        let text = "";
        const socket = connect(at, "127.0.0.1");
        socket.on("data", (bytes) => {
          text += bytes;
        });
        socket.on("close", () => resolve(text));
        socket.on("error", () => {});
      });
    const held = await holder.holdAny(port(0, { containerPort: await serve("old") }));
    expect(await read(held.hostPort)).toBe("old");
    holder.handOver({ ...held, containerPort: await serve("new"), container: "db" });
    expect(await read(held.hostPort)).toBe("new");
    expect(holder.holds({ ...held, container: "db" })).toBe(true);
    holder.handOver({ ...held, containerPort: freePort() });
    expect(await read(held.hostPort)).toBe(""); // the container does not listen
    for (const server of servers) server.close();
  });

  it("passes datagrams of IPv6 clients to the container, and its replies back to each client", async () => {
    const container = createSocket("udp4");
    container.on("message", (bytes, peer) => container.send(`to ${bytes}`, peer.port, peer.address));
    container.bind(0, "127.0.0.1");
    await once(container, "listening");
    const containerPort = container.address().port;
    const held = await holder.holdAny(port(0, { hostAddress: "::1", protocol: "udp", containerPort }));
    const clients: Socket[] = [createSocket("udp6"), createSocket("udp6")];
    const answers = await Promise.all(
      clients.map(async (client, at) => {
        const answer = once(client, "message");
        client.send(`client ${at}`, held.hostPort, "::1");
        return String((await answer)[0]);
      }),
    );
    expect(answers).toEqual(["to client 0", "to client 1"]);
    for (const socket of [...clients, container]) socket.close();
  });

  it("is bound on all addresses if it names none", async () => {
    const udp = await holder.holdAny(port(0, { hostAddress: "", protocol: "udp" }));
    const tcp = await holder.holdAny(port(0, { hostAddress: "" }));
    expect([portKey(udp), portKey(tcp)]).toEqual([`*:${udp.hostPort}/udp`, `*:${tcp.hostPort}/tcp`]);
    expect(() => bindSocket("udp", "127.0.0.1", udp.hostPort)).toThrow(/EADDRINUSE/);
    expect(() => bindSocket("tcp", "127.0.0.1", tcp.hostPort)).toThrow(/EADDRINUSE/);
    await expect(holder.hold({ ...udp, container: "db", hostAddress: "127.0.0.1" })).rejects.toThrow(
      code("PORT_TAKEN"),
    );
  });
});

describe("the sockets that stay bound without bayd", () => {
  it("are taken over by the next bayd, and released with it", () => {
    const { fd, port: bound } = bindSocket("tcp", "127.0.0.1");
    kept.keep("one", fd);
    kept.settle();
    expect(
      readdirSync(folder)
        .map((name) => name.split(".")[1])
        .sort(),
    ).toEqual(["json", "program"]);
    close(fd); // this bayd ends
    expect(() => bindSocket("tcp", "127.0.0.1", bound)).toThrow(/EADDRINUSE/);
    const next = new KeptSockets(folder);
    kept = next;
    next.adopt();
    const taken = next.take("one")!;
    expect(taken).toBeGreaterThan(2);
    expect([next.take("one"), next.take("two")]).toEqual([undefined, undefined]);
    next.settle();
    expect(readdirSync(folder)).toEqual([]);
    expect(() => bindSocket("tcp", "127.0.0.1", bound)).toThrow(/EADDRINUSE/);
    close(taken);
    close(bindSocket("tcp", "127.0.0.1", bound).fd);
  });

  it("are released if no container has them any more", () => {
    const { fd, port: bound } = bindSocket("tcp", "127.0.0.1");
    kept.keep("one", fd);
    expect(kept.letGo()).toBe(true);
    expect(kept.letGo()).toBe(false);
    kept.drop("one");
    close(fd);
    expect(kept.letGo()).toBe(true);
    close(bindSocket("tcp", "127.0.0.1", bound).fd);
  });

  it("closes those that the next bayd does not take", () => {
    const { fd, port: bound } = bindSocket("tcp", "127.0.0.1");
    kept.keep("one", fd);
    kept.settle();
    close(fd);
    const next = new KeptSockets(folder);
    kept = next;
    next.adopt();
    next.settle();
    close(bindSocket("tcp", "127.0.0.1", bound).fd);
  });

  it("ignores notes that a killed bayd wrote in part, and removes their files", () => {
    for (const [name, text] of [
      ["1-0.json", "{"],
      ["1-1.json", '{"pid":-1,"start":0,"names":[]}'],
      ["1-2.program", ""],
    ] as const)
      writeFileSync(join(folder, name), text);
    new KeptSockets(folder).adopt();
    expect(readdirSync(folder)).toEqual([]);
    new KeptSockets(join(folder, "absent")).adopt();
  });
});
