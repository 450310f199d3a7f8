/**
 * A proxy that keeps Debian packages, so that all tests of a run, and later runs, download each once. It is vitest's global
 * setup of the end-to-end tests: bayd and mmdebstrap find it by http_proxy. Everything else passes through.
 */
import { createHash, randomBytes } from "node:crypto";
import {
  createReadStream,
  createWriteStream,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from "node:fs";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";

const FOLDER = process.env.BAY_PACKAGE_CACHE ?? "/var/cache/bay-tests";
const MAX_BYTES = 3 << 30;
/** What never changes under its name (Debian policy; by-hash of an APT repository). */
const CONSTANT = /\.u?deb$|\/by-hash\//;
/** Of the user's own proxy, which is asked in turn. */
const UPSTREAM = process.env.http_proxy ?? process.env.HTTP_PROXY;

export default async function setup(): Promise<() => Promise<void>> {
  mkdirSync(FOLDER, { recursive: true });
  removeOldest();
  const server = createServer((question, answer) => {
    serve(question, answer).catch(() => answer.destroy());
  });
  server.on("connect", (question, socket) => {
    const [host, port] = (question.url ?? "").split(":");
    const onward = connect(Number(port), host, () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      onward.pipe(socket).pipe(onward);
    });
    onward.on("error", () => socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n"));
    onward.on("close", () => socket.destroy());
    socket.on("error", () => onward.destroy());
    socket.on("close", () => onward.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  process.env.http_proxy = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  process.env.no_proxy = ["localhost", "127.0.0.0/8", "127.0.0.1", "::1", process.env.no_proxy]
    .filter(Boolean)
    .join();
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
}

async function serve(question: IncomingMessage, answer: ServerResponse): Promise<void> {
  const url = question.url ?? "";
  const isKept = question.method === "GET" && CONSTANT.test(url) && question.headers.range === undefined;
  const file = join(FOLDER, createHash("sha256").update(url).digest("hex"));
  const known = isKept ? statSync(file, { throwIfNoEntry: false }) : undefined;
  if (known) {
    utimesSync(file, new Date(), new Date());
    answer.writeHead(200, { "content-length": known.size, "content-type": "application/octet-stream" });
    return pipeline(createReadStream(file), answer);
  }
  const onward = await ask(question, url);
  answer.writeHead(onward.statusCode ?? 502, onward.headers);
  const length = Number(onward.headers["content-length"]);
  if (!isKept || onward.statusCode !== 200 || !Number.isSafeInteger(length)) return pipeline(onward, answer);
  const part = `${file}.${randomBytes(4).toString("hex")}.part`;
  try {
    await Promise.all([pipeline(onward, answer), pipeline(onward, createWriteStream(part))]);
    if (statSync(part).size === length) renameSync(part, file);
  } finally {
    rmSync(part, { force: true });
  }
}

function ask(question: IncomingMessage, url: string): Promise<IncomingMessage> {
  const { protocol, hostname, port } = new URL(UPSTREAM ?? url);
  const { pathname, search, host } = new URL(url);
  if (protocol !== "http:") throw new Error(`unexpected protocol ${protocol}`);
  return new Promise((resolve, reject) => {
    const onward = request({
      hostname,
      port: port || 80,
      method: question.method,
      path: UPSTREAM ? url : pathname + search,
      headers: { ...question.headers, host },
    });
    onward.on("response", resolve).on("error", reject);
    question.pipe(onward);
  });
}

/** The cache is bounded; what is not used for the longest time goes, and what a killed run left. */
function removeOldest(): void {
  const files = readdirSync(FOLDER)
    .map((name) => ({ path: join(FOLDER, name), ...statSync(join(FOLDER, name)) }))
    .sort((a, b) => b.mtimeMs - a.mtimeMs);
  let total = 0;
  for (const { path, size } of files) {
    total += size;
    if (total > MAX_BYTES || path.endsWith(".part")) rmSync(path, { force: true });
  }
}
