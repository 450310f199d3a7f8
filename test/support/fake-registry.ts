/** A registry in memory on loopback (distribution-spec), for tests without Debian's docker-registry. */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Fault } from "./registry.ts";

const UPLOAD = /^\/v2\/(.+)\/blobs\/uploads\/([0-9]*)$/;
const BLOB = /^\/v2\/(.+)\/blobs\/(sha256:[0-9a-f]{64})$/;
const MANIFEST = /^\/v2\/(.+)\/manifests\/([^/]+)$/;
const digestOf = (bytes: Buffer) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

export class FakeRegistry {
  readonly seen: { method: string; path: string }[] = [];
  /** What it answers is not passed to the registry. */
  fault: Fault = () => false;
  readonly #blobs = new Map<string, Buffer>();
  readonly #manifests = new Map<string, { bytes: Buffer; type: string }>();
  readonly #uploads = new Map<string, Buffer>();
  #next = 1;

  private constructor(
    readonly server: Server,
    readonly port: number,
  ) {}

  get host(): string {
    return `localhost:${this.port}`;
  }

  static start(): Promise<FakeRegistry> {
    return new Promise((resolve) => {
      const server = createServer().listen(0, "127.0.0.1", () => {
        const registry = new FakeRegistry(server, (server.address() as { port: number }).port);
        server.on("request", (call, answer) => void registry.#answer(call, answer));
        resolve(registry);
      });
    });
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
  }

  async #answer(call: IncomingMessage, answer: ServerResponse): Promise<void> {
    const { method = "GET", url = "/" } = call;
    const { pathname, searchParams } = new URL(url, `http://${this.host}`);
    this.seen.push({ method, path: pathname });
    if (this.fault(call, answer)) return;
    const parts: Buffer[] = [];
    for await (const part of call) parts.push(part as Buffer);
    const body = Buffer.concat(parts);
    const [, repository = "", id = ""] = UPLOAD.exec(pathname) ?? [];
    if (repository) return this.#upload(answer, { method, repository, id, searchParams, body });
    const [, ofBlob = "", digest = ""] = BLOB.exec(pathname) ?? [];
    if (ofBlob) return this.#blob(call, answer, `${ofBlob} ${digest}`);
    const [, ofManifest = "", what = ""] = MANIFEST.exec(pathname) ?? [];
    if (ofManifest) return this.#manifest(call, answer, ofManifest, what, body);
    if (pathname === "/v2/_catalog") {
      const repositories = [...new Set([...this.#manifests.keys()].map((key) => key.split(" ")[0]))];
      return void answer
        .writeHead(200, { "content-type": "application/json" })
        .end(JSON.stringify({ repositories }));
    }
    answer.writeHead(pathname === "/v2/" ? 200 : 404).end("{}");
  }

  #upload(
    answer: ServerResponse,
    {
      method,
      repository,
      id,
      searchParams,
      body,
    }: { method: string; repository: string; id: string; searchParams: URLSearchParams; body: Buffer },
  ): void {
    if (method === "POST") {
      const mounted = `${searchParams.get("from")} ${searchParams.get("mount")}`;
      const known = this.#blobs.get(mounted);
      if (known) {
        this.#blobs.set(`${repository} ${searchParams.get("mount")}`, known);
        return void answer.writeHead(201).end();
      }
      const fresh = String(this.#next++);
      this.#uploads.set(fresh, Buffer.alloc(0));
      return void answer.writeHead(202, { location: `/v2/${repository}/blobs/uploads/${fresh}` }).end();
    }
    const before = this.#uploads.get(id);
    if (!before) return refuse(answer, 404, "BLOB_UPLOAD_UNKNOWN");
    const whole = Buffer.concat([before, body]);
    this.#uploads.set(id, whole);
    if (method === "PATCH") {
      const location = `/v2/${repository}/blobs/uploads/${id}`;
      return void answer.writeHead(202, { location, range: `0-${whole.length - 1}` }).end();
    }
    const digest = searchParams.get("digest");
    if (digest !== digestOf(whole)) return refuse(answer, 400, "DIGEST_INVALID");
    this.#uploads.delete(id);
    this.#blobs.set(`${repository} ${digest}`, whole);
    answer.writeHead(201).end();
  }

  #blob(call: IncomingMessage, answer: ServerResponse, key: string): void {
    const bytes = this.#blobs.get(key);
    if (!bytes) return refuse(answer, 404, "BLOB_UNKNOWN");
    const from = Number(/^bytes=(\d+)-/.exec(call.headers.range ?? "")?.[1] ?? 0);
    const part = bytes.subarray(from);
    const range = { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` };
    answer.writeHead(from > 0 ? 206 : 200, { "content-length": part.length, ...(from > 0 ? range : {}) });
    answer.end(call.method === "HEAD" ? undefined : part);
  }

  #manifest(
    call: IncomingMessage,
    answer: ServerResponse,
    repository: string,
    what: string,
    body: Buffer,
  ): void {
    if (call.method === "PUT") {
      const { config, layers = [] } = JSON.parse(body.toString()) as {
        config?: { digest: string };
        layers?: { digest: string }[];
      };
      const missing = [...(config ? [config] : []), ...layers].some(
        ({ digest }) => !this.#blobs.has(`${repository} ${digest}`),
      );
      if (missing) return refuse(answer, 400, "MANIFEST_BLOB_UNKNOWN");
      const kept = { bytes: body, type: call.headers["content-type"] ?? "" };
      this.#manifests.set(`${repository} ${what}`, kept);
      this.#manifests.set(`${repository} ${digestOf(body)}`, kept);
      return void answer.writeHead(201, { "docker-content-digest": digestOf(body) }).end();
    }
    const known = this.#manifests.get(`${repository} ${what}`);
    if (!known) return refuse(answer, 404, "MANIFEST_UNKNOWN");
    const digest = digestOf(known.bytes);
    answer.writeHead(200, { "content-type": known.type, "docker-content-digest": digest });
    answer.end(call.method === "HEAD" ? undefined : known.bytes);
  }
}

function refuse(answer: ServerResponse, status: number, code: string): void {
  answer.writeHead(status).end(JSON.stringify({ errors: [{ code, message: code.toLowerCase() }] }));
}
