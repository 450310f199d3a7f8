/** Real registries (Debian's docker-registry) for tests, and a server between bay and one that does things wrong. */
import { execFileSync, spawn } from "node:child_process";
import { createSign, randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface TlsFiles {
  ca: string;
  cert: string;
  key: string;
}

/** A certificate for localhost, and the authority that signed it. */
export function makeCertificates(folder: string): TlsFiles {
  mkdirSync(folder, { recursive: true });
  const at = (name: string) => join(folder, name);
  const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: "pipe" });
  const key = ["-newkey", "rsa:2048", "-nodes", "-days", "2"];
  openssl(
    "req",
    "-x509",
    ...key,
    "-keyout",
    at("ca.key"),
    "-out",
    at("ca.crt"),
    "-subj",
    "/CN=test authority",
  );
  openssl(
    "req",
    "-new",
    ...key.slice(0, 3),
    "-keyout",
    at("key.pem"),
    "-out",
    at("csr.pem"),
    "-subj",
    "/CN=localhost",
  );
  writeFileSync(at("san"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n");
  const signing = [
    "-CA",
    at("ca.crt"),
    "-CAkey",
    at("ca.key"),
    "-CAcreateserial",
    "-days",
    "2",
    "-extfile",
    at("san"),
  ];
  openssl("x509", "-req", "-in", at("csr.pem"), ...signing, "-out", at("cert.pem"));
  return { ca: at("ca.crt"), cert: at("cert.pem"), key: at("key.pem") };
}

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createTcpServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

export class Registry {
  private constructor(
    readonly port: number,
    readonly folder: string,
    readonly stop: () => Promise<void>,
  ) {}

  get host(): string {
    return `localhost:${this.port}`;
  }

  static async start(options: { tls?: TlsFiles; tokens?: TokenServer } = {}): Promise<Registry> {
    const folder = mkdtempSync(join(tmpdir(), "bay-registry-"));
    const port = await freePort();
    const { tls, tokens } = options;
    const config = {
      version: "0.1",
      log: { level: "error" },
      storage: { filesystem: { rootdirectory: join(folder, "data") }, delete: { enabled: true } },
      http: {
        addr: `127.0.0.1:${port}`,
        ...(tls ? { tls: { certificate: tls.cert, key: tls.key } } : {}),
      },
      // foreign layers may be anywhere
      validation: { manifests: { urls: { allow: ["^http://"] } } },
      ...(tokens
        ? {
            auth: {
              token: {
                realm: tokens.url,
                service: "test",
                issuer: "test",
                rootcertbundle: tokens.certificate,
              },
            },
          }
        : {}),
    };
    const file = join(folder, "config.yml");
    writeFileSync(file, JSON.stringify(config)); // JSON is YAML
    const child = spawn("docker-registry", ["serve", file], { stdio: "ignore" });
    const ended = new Promise<void>((resolve) => child.on("exit", () => resolve()));
    for (let attempt = 0; attempt < 100; attempt++) {
      if (await isListening(port)) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return new Registry(port, folder, async () => {
      child.kill("SIGKILL");
      await ended;
      rmSync(folder, { recursive: true, force: true });
    });
  }
}

function isListening(port: number): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/v2/`).then(
    () => true,
    (error: { cause?: { code?: string } }) => error.cause?.code !== "ECONNREFUSED",
  );
}

/** Gives tokens to one user, as Docker's token authentication has it (a JWT with the key's certificate). */
export class TokenServer {
  readonly requests: { scopes: string[]; authorization: string | undefined }[] = [];
  #server: Server | undefined;
  url = "";

  constructor(
    readonly certificate: string,
    readonly key: string,
    readonly user: string,
    readonly password: string,
  ) {}

  async start(): Promise<void> {
    this.#server = createServer((call, answer) => this.#answer(call, answer));
    const port = await listen(this.#server);
    this.url = `http://127.0.0.1:${port}/token`;
  }

  #answer(call: IncomingMessage, answer: ServerResponse): void {
    const scopes = new URL(call.url ?? "/", this.url).searchParams.getAll("scope");
    const { authorization } = call.headers;
    this.requests.push({ scopes, authorization });
    const expected = `Basic ${Buffer.from(`${this.user}:${this.password}`).toString("base64")}`;
    if (authorization !== undefined && authorization !== expected)
      return void answer.writeHead(401).end("{}");
    const access = authorization
      ? scopes.map((scope) => {
          const [type, name, actions = ""] = scope.split(":");
          return { type, name, actions: actions.split(",") };
        })
      : [];
    answer.end(JSON.stringify({ token: this.#token(access), expires_in: 300 }));
  }

  #token(access: object[]): string {
    const der = readFileSync(this.certificate, "utf8").replace(/-----[^-]+-----|\s/g, "");
    const now = Math.floor(Date.now() / 1000);
    const claims = { iss: "test", sub: this.user, aud: "test", exp: now + 300, nbf: now - 5, iat: now };
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const head = encode({ typ: "JWT", alg: "RS256", x5c: [der] });
    const text = `${head}.${encode({ ...claims, jti: randomBytes(8).toString("hex"), access })}`;
    return `${text}.${createSign("RSA-SHA256").update(text).sign(readFileSync(this.key), "base64url")}`;
  }

  stop(): void {
    this.#server?.close();
    this.#server?.closeAllConnections();
  }
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port)),
  );
}

/** True where the handler has answered; else the request goes on to the registry. */
export type Fault = (call: IncomingMessage, answer: ServerResponse) => boolean | undefined;

/** Stands before a registry: what the fault does not answer is passed on. */
export class FaultyRegistry {
  readonly seen: {
    method: string;
    path: string;
    range: string | undefined;
    authorization: string | undefined;
  }[] = [];
  fault: Fault = () => false;
  #server: Server | undefined;
  port = 0;

  constructor(readonly behind: Registry | undefined) {}

  get host(): string {
    return `localhost:${this.port}`;
  }

  async start(): Promise<this> {
    this.#server = createServer((call, answer) => {
      const { method = "", url: path = "", headers } = call;
      this.seen.push({ method, path, range: headers.range, authorization: headers.authorization });
      if (this.fault(call, answer)) return;
      if (!this.behind) return void answer.writeHead(404).end("{}");
      this.pass(call, answer, (onward) => onward.pipe(answer));
    });
    this.port = await listen(this.#server);
    return this;
  }

  /** Asks the registry itself; its headers are passed on, its body is the caller's. */
  pass(call: IncomingMessage, answer: ServerResponse, body: (onward: IncomingMessage) => void): void {
    const { method, url: path, headers } = call;
    const onward = request(
      { host: "127.0.0.1", port: this.behind!.port, method, path, headers },
      (response) => {
        answer.writeHead(response.statusCode ?? 500, response.headers);
        body(response);
      },
    );
    call.pipe(onward);
  }

  stop(): void {
    this.#server?.close();
    this.#server?.closeAllConnections();
  }
}
