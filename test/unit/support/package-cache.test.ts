/** The tests' own proxy: packages are fetched once and only whole ones are kept, and no client waits for a host that is not there. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { PackageCache } from "../../support/package-cache.ts";

interface Answer {
  status: number;
  text: string;
}

describe("the cache of Debian packages", () => {
  let folder: string;
  let mirror: Server;
  let origin: string;
  let cache: PackageCache;
  let proxy: string;
  let serve: (answer: ServerResponse) => void;
  let asked: string[];

  async function start(options: { maxBytes?: number; upstream?: string } = {}): Promise<void> {
    cache = new PackageCache({ folder, ...options });
    proxy = await cache.listen();
  }
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "bay-packages-"));
    asked = [];
    serve = (answer) => void answer.end("package");
    mirror = createServer((question, answer) => {
      asked.push(question.url ?? "");
      serve(answer);
    });
    await new Promise<void>((resolve) => mirror.listen(0, "127.0.0.1", resolve));
    origin = `http://127.0.0.1:${(mirror.address() as AddressInfo).port}`;
    await start();
  });
  const stopMirror = () =>
    new Promise<void>((resolve) => {
      mirror.close(() => resolve());
      mirror.closeAllConnections();
    });
  afterEach(async () => {
    await cache.close();
    if (mirror.listening) await stopMirror();
    rmSync(folder, { recursive: true });
  });

  const get = (url: string) =>
    new Promise<Answer>((resolve, reject) => {
      const { hostname, port } = new URL(proxy);
      const question = request({ hostname, port, path: url, agent: false }, (answer: IncomingMessage) => {
        let text = "";
        answer.setEncoding("utf8").on("data", (part: string) => (text += part));
        answer.on("end", () => resolve({ status: answer.statusCode ?? 0, text })).on("error", reject);
      });
      question.on("error", reject).end();
    });
  const sent = (status: number, text: string) => ({ status, text });

  it("asks the mirror once for a package, also in a later run without a mirror", async () => {
    const url = `${origin}/pool/a_1_amd64.deb`;
    expect(await get(url)).toEqual(sent(200, "package"));
    expect(await get(url)).toEqual(sent(200, "package"));
    expect(asked).toHaveLength(1);
    await cache.close();
    await stopMirror();
    await start();
    expect(await get(url)).toEqual(sent(200, "package"));
  });

  it("asks for an index each time, and uses its copy while there is no mirror", async () => {
    const url = `${origin}/debian/dists/bookworm/InRelease`;
    expect(await get(url)).toEqual(sent(200, "package"));
    serve = (answer) => void answer.end("newer");
    expect(await get(url)).toEqual(sent(200, "newer"));
    await stopMirror();
    expect(await get(url)).toEqual(sent(200, "newer"));
    expect((await get(`${origin}/debian/dists/trixie/InRelease`)).status).toBe(502);
  });

  it("keeps neither half a package nor an error", async () => {
    const url = `${origin}/pool/b_1_amd64.deb`;
    serve = (answer) => {
      answer.writeHead(200, { "content-length": 100 });
      answer.write("half", () => answer.destroy());
    };
    await expect(get(url)).rejects.toThrow();
    serve = (answer) => void answer.writeHead(404).end("no");
    expect((await get(url)).status).toBe(404);
    serve = (answer) => void answer.end("whole");
    expect(await get(url)).toEqual(sent(200, "whole"));
    // what a broken download left is removed a moment after its answer
    await vi.waitFor(() => expect(readdirSync(folder)).toHaveLength(1), { timeout: 60_000 });
  });

  it("removes the oldest where it grows too large", async () => {
    await cache.close();
    await start({ maxBytes: 20 });
    for (const name of ["a", "b", "c", "d"]) await get(`${origin}/pool/${name}.deb`);
    expect(readdirSync(folder)).toHaveLength(2);
  });

  const tunnel = (target: string) =>
    new Promise<string>((resolve, reject) => {
      const { hostname, port } = new URL(proxy);
      const socket = connect(Number(port), hostname);
      let text = "";
      socket.setEncoding("utf8").on("data", (part: string) => (text += part));
      socket.on("close", () => resolve(text)).on("error", reject);
      socket.write(`CONNECT ${target} HTTP/1.1\r\n\r\n`);
      socket.once("data", () => socket.write("GET /inside HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"));
    });

  it("passes tunnels through, and ends one to a host that cannot be reached", async () => {
    const host = new URL(origin).host;
    expect(await tunnel(host)).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*package$/);
    await stopMirror();
    expect(await tunnel(host)).toMatch(/^HTTP\/1\.1 502 [\s\S]*ECONNREFUSED/);
    expect(await tunnel("nonsense")).toMatch(/^HTTP\/1\.1 502 [\s\S]*invalid target/);
  });

  it("goes by the user's own proxy", async () => {
    const outer = new PackageCache({ folder });
    const upstream = await outer.listen();
    await cache.close();
    await start({ upstream });
    expect(await tunnel(new URL(origin).host)).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*package$/);
    expect(await get(`${origin}/pool/e.deb`)).toEqual(sent(200, "package"));
    await stopMirror();
    expect(await tunnel(new URL(origin).host)).toMatch(/^HTTP\/1\.1 502 /);
    await outer.close();
  });
});
