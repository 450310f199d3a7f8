/** Requests whose client is gone end, whatever their handler does, and on whichever connection. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { closeWithSocket, openOn, watchClient } from "../../../../src/daemon/api/connections.ts";
import { hijack } from "../../../../src/daemon/api/http.ts";

const UPGRADE = "Connection: Upgrade\r\nUpgrade: tcp\r\n";

describe("a request whose client has disconnected", () => {
  const folder = mkdtempSync(join(tmpdir(), "bay-connections-"));
  const path = join(folder, "socket");
  let server: Server;
  /** Of each request: its connection, and its end. */
  const requests: { socket: Socket; over: Promise<unknown> }[] = [];

  beforeAll(async () => {
    server = createServer((request: IncomingMessage, response: ServerResponse) => {
      response.on("error", () => {});
      closeWithSocket(request.socket, response);
      requests.push({
        socket: request.socket,
        over: new Promise((resolve) => response.once("close", resolve)),
      });
      if (request.url === "/taken") {
        hijack(request.socket, false, false);
        request.socket.resume();
      } else if (request.url === "/stream") response.flushHeaders();
    });
    server.on("upgrade", (_request, socket: Socket) => {
      const release = watchClient(socket);
      requests.push({
        socket,
        over: new Promise((resolve) => socket.once("close", () => resolve(release()))),
      });
      hijack(socket, true, false);
      socket.resume();
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
  });
  afterAll(() => {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const requestText = (url: string, header = "", body = "") =>
    `POST ${url} HTTP/1.1\r\nHost: x\r\n${header}Content-Length: ${body.length}\r\n\r\n${body}`;
  // more than the server takes in before a handler reads it
  const unread = "x".repeat(1 << 20);

  it.each([
    ["on a connection that was taken over", requestText("/taken"), false],
    ["on a connection that was taken over and half-closed", requestText("/taken"), true],
    ["on an upgraded connection", requestText("/taken", UPGRADE), false],
    ["on an upgraded connection that was half-closed", requestText("/taken", UPGRADE), true],
    ["in a stream", requestText("/stream"), false],
    ["behind a body that is not read", requestText("/stream", "", unread), false],
    ["behind a body that is not read and half-closed", requestText("/stream", "", unread), true],
    ["in a stream with two requests behind it", requestText("/stream").repeat(3), false],
  ])("ends: %s", async (_, bytes, isHalfClosed) => {
    requests.length = 0;
    const client = connect(path);
    client.on("error", () => {});
    client.write(bytes);
    await new Promise((resolve) => client.once("data", resolve));
    if (isHalfClosed) client.end();
    client.destroy();
    expect(requests.length).toBeGreaterThan(0);
    await Promise.all(requests.map(({ over }) => over));
    for (const { socket } of requests) expect(openOn(socket)).toBe(0);
  });

  it("continues if its client has only ended its input and still reads", async () => {
    requests.length = 0;
    const client = connect({ path, allowHalfOpen: true });
    client.write(requestText("/taken"));
    await new Promise((resolve) => client.once("data", resolve));
    client.end();
    const { socket } = requests[0]!;
    await new Promise((resolve) => socket.once("end", resolve));
    // another client is seen to be gone in between
    const other = connect(path);
    other.write(requestText("/taken"));
    await new Promise((resolve) => other.once("data", resolve));
    other.destroy();
    await requests[1]!.over;
    const received = new Promise((resolve) => client.once("data", resolve));
    socket.write("late");
    expect(String(await received)).toBe("late");
    client.destroy();
    await requests[0]!.over;
  });
});
