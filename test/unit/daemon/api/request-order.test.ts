/** Requests of one connection are handled one at a time, and do not delay those of other connections. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { LIMITS } from "../../../../src/core/limits.ts";
import { closeWithSocket, openOn } from "../../../../src/daemon/api/connections.ts";
import { inOrder } from "../../../../src/daemon/api/request-order.ts";

describe("requests of one connection", () => {
  const folder = mkdtempSync(join(tmpdir(), "bay-request-order-"));
  const path = join(folder, "socket");
  let server: Server;
  /** Of each request that was begun: its URL and its response. */
  let begun: { url: string; response: ServerResponse; socket: Socket }[] = [];
  let received = 0;

  beforeAll(async () => {
    server = createServer((request, response) => {
      received += 1;
      response.on("error", () => {});
      closeWithSocket(request.socket, response);
      const url = request.url ?? "";
      inOrder(request.socket, response, () => {
        begun.push({ url, response, socket: request.socket });
        if (url.startsWith("/quick")) response.end();
      });
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
  });
  beforeEach(() => {
    begun = [];
    received = 0;
  });
  afterAll(() => {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const requestText = (url: string) => `GET ${url} HTTP/1.1\r\nHost: x\r\n\r\n`;
  const urls = () => begun.map(({ url }) => url);
  const open = () => connect(path).on("error", () => {});

  it("are begun when the earlier one has ended", async () => {
    const client = open();
    client.write(["/slow", "/quick/1", "/quick/2"].map(requestText).join(""));
    await vi.waitFor(() => expect(received).toBe(3), { timeout: 60_000 });
    expect(urls()).toEqual(["/slow"]);
    begun[0]?.response.end();
    await vi.waitFor(() => expect(urls()).toEqual(["/slow", "/quick/1", "/quick/2"]), { timeout: 60_000 });
    client.destroy();
  });

  it("leave turns to other connections", async () => {
    const [many, one] = [open(), open()];
    const count = 80;
    // both are sent in one turn, so that the server finds both readable
    many.write(Array.from({ length: count }, (_, index) => requestText(`/quick/many/${index}`)).join(""));
    one.write(requestText("/quick/one"));
    await vi.waitFor(() => expect(begun).toHaveLength(count + 1), { timeout: 60_000 });
    expect(urls().indexOf("/quick/one")).toBeLessThan(count / 2);
    for (const client of [many, one]) client.destroy();
  });

  it("are not begun after the connection has closed", async () => {
    const client = open();
    client.write(["/slow", "/quick/1"].map(requestText).join(""));
    await vi.waitFor(() => expect(received).toBe(2), { timeout: 60_000 });
    const { socket } = begun[0]!;
    client.destroy();
    // the server notices the end when it writes
    begun[0]!.response.write("x".repeat(1 << 20));
    await vi.waitFor(() => expect(openOn(socket)).toBe(0), { timeout: 60_000 });
    await new Promise((resolve) => setImmediate(resolve));
    expect(urls()).toEqual(["/slow"]);
  });

  it("are read only while few of them wait, and all are handled in the end", async () => {
    const client = open();
    client.resume();
    const count = LIMITS.request.pipelinedMost;
    client.write(requestText("/slow"));
    await vi.waitFor(() => expect(begun).toHaveLength(1), { timeout: 60_000 });
    client.write(Array.from({ length: count }, (_, index) => requestText(`/quick/${index}`)).join(""));
    await vi.waitFor(() => expect(received).toBeGreaterThan(LIMITS.request.pipelined), { timeout: 60_000 });
    await new Promise((resolve) => setImmediate(resolve));
    expect(received).toBeLessThan(count / 2);
    begun[0]?.response.end();
    await vi.waitFor(() => expect(begun).toHaveLength(count + 1), { timeout: 60_000 });
    client.destroy();
  });
});
