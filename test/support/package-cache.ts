/**
 * A proxy that keeps Debian packages, so that all tests of a run, and later runs, download each once. It is vitest's
 * global setup of the end-to-end tests: bayd and mmdebstrap find it by http_proxy. Packages never change under their
 * names and come from the cache alone. Indices change: their copy is only used while the mirror cannot be reached.
 * Everything else passes through. BAY_PACKAGE_CACHE is the folder, /var/cache/bay-tests by default.
 */
import { createHash, randomBytes } from "node:crypto";
import { createReadStream, mkdirSync, readdirSync, rmSync, type Stats, statSync, utimesSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";

const MAX_BYTES = 3 * 2 ** 30; // 3 << 30 is negative
/** A partial file of this age, in milliseconds, belongs to no run that goes on. */
const PART_AGE = 24 * 60 * 60_000;
/** What never changes under its name (Debian policy; by-hash of an APT repository). */
const CONSTANT = /\.u?deb$|\/by-hash\//;
const INDEX = /\/dists\/.*\/(?:InRelease|Release|Release\.gpg|Packages(?:\.\w+)?)$/;

interface Options {
  folder: string;
  /** Bytes in the folder; what was not used for the longest time is removed. */
  maxBytes?: number;
  /** A proxy that is asked in turn. */
  upstream?: string | undefined;
}

export default async function setup(): Promise<() => Promise<void>> {
  const { env } = process;
  const upstream = env.http_proxy ?? env.HTTP_PROXY;
  const cache = new PackageCache({ folder: env.BAY_PACKAGE_CACHE ?? "/var/cache/bay-tests", upstream });
  env.http_proxy = await cache.listen();
  env.no_proxy = ["localhost", "127.0.0.0/8", "127.0.0.1", "::1", env.no_proxy].filter(Boolean).join();
  return () => cache.close();
}

export class PackageCache {
  readonly #folder: string;
  readonly #maxBytes: number;
  readonly #upstream: string | undefined;
  readonly #server: Server;
  readonly #tunnels = new Set<Duplex>();

  constructor({ folder, maxBytes = MAX_BYTES, upstream }: Options) {
    [this.#folder, this.#maxBytes, this.#upstream] = [folder, maxBytes, upstream];
    mkdirSync(folder, { recursive: true });
    this.#removeOldest();
    this.#server = createServer((question, answer) => {
      this.#serve(question, answer).catch((error: Error) => refuse(answer, error));
    });
    this.#server.on("connect", (question: IncomingMessage, client: Duplex) =>
      this.#tunnel(question.url ?? "", client),
    );
  }

  /** Listens on a free port of loopback; gives the proxy's URL. */
  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
      for (const end of this.#tunnels) end.destroy(); // the server does not count them any more
    });
  }

  async #serve(question: IncomingMessage, answer: ServerResponse): Promise<void> {
    const url = question.url ?? "";
    const isPlain = question.method === "GET" && question.headers.range === undefined;
    const file = join(this.#folder, createHash("sha256").update(url).digest("hex"));
    const known = isPlain ? statSync(file, { throwIfNoEntry: false }) : undefined;
    if (known && CONSTANT.test(url)) return serveFile(file, known, answer);
    let onward: IncomingMessage;
    try {
      onward = await this.#ask(question, answer, url);
    } catch (error) {
      if (known) return serveFile(file, known, answer);
      throw error;
    }
    const length = Number(onward.headers["content-length"]);
    const isKept = isPlain && (CONSTANT.test(url) || INDEX.test(url));
    answer.writeHead(onward.statusCode ?? 502, onward.headers);
    if (!isKept || onward.statusCode !== 200 || !Number.isSafeInteger(length))
      return pipeline(onward, answer);
    await pipeline(onward, (bytes: AsyncIterable<Buffer>) => this.#keep(bytes, file, length), answer);
  }

  /** Passes bytes on, and keeps them where all have come. The last are passed on when the file has its name. */
  async *#keep(bytes: AsyncIterable<Buffer>, file: string, length: number): AsyncGenerator<Buffer> {
    const part = `${file}.${randomBytes(4).toString("hex")}.part`;
    const handle = await open(part, "wx");
    try {
      let count = 0;
      let held: Buffer | undefined;
      for await (const chunk of bytes) {
        await handle.writeFile(chunk);
        count += chunk.length;
        if (held) yield held;
        held = chunk;
      }
      if (count === length) await rename(part, file);
      this.#removeOldest();
      if (held) yield held;
    } finally {
      await handle.close();
      await rm(part, { force: true });
    }
  }

  /** Sends a request on, with its body; rejects where no answer begins. It ends with the client's connection. */
  #ask(question: IncomingMessage, answer: ServerResponse, url: string): Promise<IncomingMessage> {
    const { protocol, pathname, search, host } = new URL(url);
    if (protocol !== "http:") throw new Error(`unexpected protocol ${protocol}`);
    const { hostname, port } = new URL(this.#upstream ?? url);
    return new Promise((resolve, reject) => {
      const onward = request({
        hostname,
        port: port || 80,
        method: question.method,
        path: this.#upstream ? url : pathname + search,
        headers: { ...question.headers, host, ...this.#authorization() },
      });
      const abandon = () => onward.destroy();
      onward.on("response", (response) => {
        answer.off("close", abandon);
        resolve(response);
      });
      onward.on("error", reject);
      answer.on("close", abandon);
      question.pipe(onward);
    });
  }

  /** Joins a client with the host that it names. Where there is no way to it, the client gets to know it. */
  #tunnel(target: string, client: Duplex): void {
    const fail = (why: string) => client.end(`HTTP/1.1 502 Bad Gateway\r\n\r\n${why}\n`);
    const pass = (onward: Duplex) => {
      client.write("HTTP/1.1 200 OK\r\n\r\n");
      couple(client, onward);
    };
    this.#track(client);
    if (this.#upstream !== undefined) {
      const { hostname, port } = new URL(this.#upstream);
      const headers = { host: target, ...this.#authorization() };
      const onward = request({ hostname, port: port || 80, method: "CONNECT", path: target, headers });
      onward.on("connect", (reply: IncomingMessage, socket: Socket) => {
        this.#track(socket);
        if (reply.statusCode === 200) return pass(socket);
        socket.destroy();
        fail(`the proxy answers ${reply.statusCode} for ${target}`);
      });
      onward.on("error", (error) => fail(error.message)).end();
      client.on("close", () => onward.destroy());
      return;
    }
    const named = /^\[?([^\]]+)\]?:(\d+)$/.exec(target);
    if (!named) return void fail(`invalid target ${target}`);
    const onward = connect({ host: named[1]!, port: Number(named[2]) });
    this.#track(onward);
    onward.once("connect", () => pass(onward));
    onward.once("error", (error) => fail(error.message));
    client.once("close", () => onward.destroy());
  }

  #track(end: Duplex): void {
    this.#tunnels.add(end);
    end.on("error", () => end.destroy()).on("close", () => this.#tunnels.delete(end));
  }

  #authorization(): Record<string, string> {
    const { username, password } = new URL(this.#upstream ?? "http://none");
    if (username === "") return {};
    const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    return { "proxy-authorization": `Basic ${Buffer.from(pair).toString("base64")}` };
  }

  #removeOldest(): void {
    const files = readdirSync(this.#folder)
      .map((name) => join(this.#folder, name))
      .flatMap((path) => {
        const stats = statSync(path, { throwIfNoEntry: false }); // another run may remove it meanwhile
        return stats ? [{ path, size: stats.size, mtimeMs: stats.mtimeMs }] : [];
      })
      .sort((a, b) => b.mtimeMs - a.mtimeMs);
    let total = 0;
    for (const { path, size, mtimeMs } of files) {
      const isPart = path.endsWith(".part");
      if (!isPart) total += size;
      if (isPart ? Date.now() - mtimeMs > PART_AGE : total > this.#maxBytes) rmSync(path, { force: true });
    }
  }
}

/** What one end sends goes to the other; each ends with the other. */
function couple(one: Duplex, other: Duplex): void {
  one.pipe(other).pipe(one);
  one.once("close", () => other.destroy());
  other.once("close", () => one.destroy());
}

function serveFile(file: string, { size }: Stats, answer: ServerResponse): Promise<void> {
  const now = new Date();
  utimesSync(file, now, now);
  answer.writeHead(200, { "content-length": size, "content-type": "application/octet-stream" });
  return pipeline(createReadStream(file), answer);
}

/** Nothing that has begun is completed by other bytes: it is cut, and the client sees that it is. */
function refuse(answer: ServerResponse, error: Error): void {
  if (answer.headersSent) answer.destroy();
  else answer.writeHead(502, { "content-type": "text/plain" }).end(`${error.message}\n`);
}
