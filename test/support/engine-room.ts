/** A bayd with one image, and the objects that requests of the Engine API need. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Bay } from "./bay.ts";
import { FakeRegistry } from "./fake-registry.ts";

export interface EngineAnswer {
  status: number;
  /** The value of a JSON body, the values of JSON lines, or the text. */
  body: unknown;
}

export class EngineRoom {
  readonly bay = new Bay();
  #registry: FakeRegistry | undefined;
  #next = 1;

  /** The image `box` has busybox. `prepare` is called before bayd starts. */
  static async open(prepare: (bay: Bay) => void = () => {}): Promise<EngineRoom> {
    const room = new EngineRoom();
    prepare(room.bay);
    room.#registry = await FakeRegistry.start();
    room.bay.write("name: none\nservices: {}\n");
    room.bay.ok("image", "ls"); // starts bayd
    const files = execFileSync("tar", ["-C", room.bay.busybox(), "-c", "."], { maxBuffer: 1 << 28 });
    await room.need("POST", "/images/create?fromSrc=-&repo=box", files);
    return room;
  }

  async close(): Promise<void> {
    await this.#registry?.stop();
    for (const { Id } of (await this.need("GET", "/containers/json?all=1")) as { Id: string }[])
      await this.ask("DELETE", `/containers/${Id}?force=1&v=1`);
    await this.ask("POST", "/networks/prune");
    this.bay.close();
  }

  /** The host and port of a registry. */
  get registry(): string {
    return this.#registry!.host;
  }

  ask(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<EngineAnswer> {
    const isRaw = typeof body === "string" || Buffer.isBuffer(body);
    const type = isRaw ? "application/x-tar" : "application/json";
    return new Promise((resolve, reject) => {
      const call = request({
        socketPath: this.bay.socket,
        method,
        path,
        headers: { ...(body === undefined ? {} : { "Content-Type": type }), ...headers },
        agent: false,
      });
      call.on("upgrade", ({ statusCode }, socket) => {
        socket.destroy();
        resolve({ status: statusCode!, body: "" });
      });
      call.on("response", (response) => {
        const parts: Buffer[] = [];
        response.on("data", (part: Buffer) => parts.push(part));
        response.on("error", reject);
        response.on("end", () => {
          const isJson = String(response.headers["content-type"]).startsWith("application/json");
          const text = Buffer.concat(parts).toString("utf8");
          resolve({ status: response.statusCode!, body: isJson && text !== "" ? parsed(text) : text });
        });
      });
      call.on("error", reject);
      call.end(isRaw || body === undefined ? body : JSON.stringify(body));
    });
  }

  /** As `ask`, and expects success. */
  async need(method: string, path: string, body?: unknown): Promise<unknown> {
    const { status, body: answer } = await this.ask(method, path, body);
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${JSON.stringify(answer)}`);
    return answer;
  }

  async #id(method: string, path: string, body?: unknown): Promise<string> {
    return ((await this.need(method, path, body)) as { Id: string }).Id;
  }

  created(config: object = {}): Promise<string> {
    const body = { Image: "box", Cmd: ["sleep", "100000"], StopTimeout: 0, ...config };
    return this.#id("POST", `/containers/create?name=each-${this.#next++}`, body);
  }

  async running(config: object = {}): Promise<string> {
    const id = await this.created(config);
    await this.need("POST", `/containers/${id}/start`);
    return id;
  }

  async paused(): Promise<string> {
    const id = await this.running();
    await this.need("POST", `/containers/${id}/pause`);
    return id;
  }

  async exited(): Promise<string> {
    const id = await this.running();
    await this.need("POST", `/containers/${id}/kill`);
    await this.need("POST", `/containers/${id}/wait`);
    return id;
  }

  async exec(): Promise<string> {
    return this.#id("POST", `/containers/${await this.running()}/exec`, {
      Cmd: ["sleep", "1000"],
      Tty: true,
    });
  }

  async startedExec(): Promise<string> {
    const id = await this.exec();
    await this.need("POST", `/exec/${id}/start`, { Detach: true });
    return id;
  }

  async network(): Promise<string> {
    const Name = `net-${this.#next++}`;
    await this.need("POST", "/networks/create", { Name });
    return Name;
  }

  async volume(): Promise<string> {
    const Name = `volume-${this.#next++}`;
    await this.need("POST", "/volumes/create", { Name });
    return Name;
  }

  /** Another name of the image, which is one in the registry. */
  async named(name: string): Promise<string> {
    await this.need("POST", `/images/box/tag?repo=${this.registry}/${name}&tag=1`);
    return `${this.registry}/${name}:1`;
  }

  /** An image that is in the registry. */
  async pushed(): Promise<string> {
    const name = await this.named("pushed");
    await this.need("POST", `/images/${encodeURIComponent(name)}/push`);
    return name;
  }

  /** The image as an archive. */
  archive(): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const parts: Buffer[] = [];
      const call = request({ socketPath: this.bay.socket, path: "/images/get?names=box" }, (response) => {
        response.on("data", (part: Buffer) => parts.push(part));
        response.on("error", reject);
        response.on("end", () => resolve(Buffer.concat(parts)));
      });
      call.on("error", reject);
      call.end();
    });
  }

  /** The tar of a build context that has only a Dockerfile. */
  context(dockerfile: string): Buffer {
    const folder = mkdtempSync(join(tmpdir(), "bay-context-"));
    writeFileSync(join(folder, "Dockerfile"), dockerfile);
    const tar = execFileSync("tar", ["-C", folder, "-c", "."]);
    rmSync(folder, { recursive: true });
    return tar;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown);
  }
}
