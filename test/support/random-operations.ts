/** Random operations on a bay, over the API and by the command; which ones, and with what, follows from the numbers given. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Bay, HANGS_AFTER } from "./bay.ts";
import { ask, askFor, type Leaving, rawRequest, sendRaw } from "./engine.ts";
import { LeakStacks, oneOf, type Random, STACKS } from "./leak-stacks.ts";

export interface Operation {
  name: string;
  run: () => Promise<void>;
}

/** Makes its choices, and gives what is then done. */
type Choose = (random: Random) => () => Promise<unknown>;

interface Row {
  Id: string;
}

const IMAGE = "leak/app:1";
/** A client that goes away does so within this many milliseconds. */
const LONGEST_STAY = 1200;
/** A connection that waits for nothing is given up after this many milliseconds. */
const PATIENCE = 1500;

export class RandomOperations {
  readonly #stacks: LeakStacks;
  readonly #choices: readonly (readonly [name: string, weight: number, choose: Choose])[];
  #serial = 0;

  constructor(
    readonly bay: Bay,
    /** An image in a registry that bay may pull and push. */
    readonly remote: string,
    /** Hears of each request and command, as it is sent. */
    readonly note: (text: string) => void,
  ) {
    this.#stacks = new LeakStacks(bay);
    this.#choices = [
      ["up", 5, (random) => this.#up(random)],
      ["change", 4, (random) => this.#change(random)],
      ["down", 2, (random) => this.#onStack(random, ["down", "-t", "0", ...oneOf(random, [[], ["-v"]])])],
      ["scale", 2, (random) => this.#scale(random)],
      ["life", 6, (random) => this.#life(random)],
      ["exec", 4, (random) => this.#exec(random)],
      ["run", 4, (random) => this.#runOnce(random)],
      ["cp", 3, (random) => this.#copy(random)],
      ["follow", 3, (random) => this.#follow(random)],
      ["build", 2, (random) => this.#build(random)],
      ["image", 2, (random) => this.#image(random)],
      ["registry", 3, (random) => this.#registry(random)],
      ["commit", 2, (random) => this.#commit(random)],
      ["prune", 2, (random) => this.#prune(random)],
      ["create", 3, (random) => this.#create(random)],
      ["rename", 1, (random) => this.#rename(random)],
      ["api exec", 3, (random) => this.#apiExec(random)],
      ["raw", 5, (random) => this.#raw(random)],
      ["remove", 1, (random) => this.#remove(random)],
    ];
  }

  /** All choices are made here, so that they do not depend on when others end. */
  choose(random: Random): Operation {
    const [name, , choose] = oneOf(
      random,
      this.#choices.flatMap((choice) => Array<typeof choice>(choice[1]).fill(choice)),
    );
    const run = choose(random);
    return {
      name,
      run: async () => {
        await run();
      },
    };
  }

  // ---- clients of the command

  /** Runs the command; with `stay` it is killed after so many milliseconds. Its exit code does not matter here. */
  #client(args: readonly string[], stay?: number, input = ""): Promise<void> {
    this.note(`bay ${args.join(" ")}${stay === undefined ? "" : ` (killed after ${Math.round(stay)} ms)`}`);
    const child = this.bay.start([...args]);
    child.stdin.on("error", () => {});
    if (stay === undefined) child.stdin.end(input);
    else child.stdin.write(input); // its input stays open until it is killed
    child.stdout.resume();
    child.stderr.resume();
    return new Promise((resolve, reject) => {
      let hangs = false;
      const timer = setTimeout(() => {
        hangs = stay === undefined;
        child.kill("SIGKILL");
      }, stay ?? HANGS_AFTER);
      child.on("close", () => {
        clearTimeout(timer);
        if (hangs) reject(new Error(`bay ${args.join(" ")} hangs`));
        else resolve();
      });
    });
  }

  /** Undefined for a client that is left alone, else how long it lives. */
  #stay(random: Random, chance: number): number | undefined {
    const length = random() * LONGEST_STAY;
    return random() < chance ? length : undefined;
  }

  #onStack(random: Random, args: readonly string[], chance = 0.15): () => Promise<void> {
    const name = oneOf(random, STACKS);
    const stay = this.#stay(random, chance);
    return () => this.#client(["-f", `${name}.yaml`, ...args], stay);
  }

  #up(random: Random): () => Promise<void> {
    const name = oneOf(random, STACKS);
    this.#stacks.choose(random, name);
    const stay = this.#stay(random, 0.2);
    return () => this.#client(["-f", `${name}.yaml`, "up", "-d", "--remove-orphans"], stay);
  }

  #change(random: Random): () => Promise<void> {
    const name = oneOf(random, STACKS);
    this.#stacks.change(random, name);
    const stay = this.#stay(random, 0.2);
    return () => this.#client(["-f", `${name}.yaml`, "up", "-d"], stay);
  }

  #scale(random: Random): () => Promise<void> {
    return this.#onStack(random, ["up", "-d", "--scale", `a=${Math.floor(random() * 4)}`]);
  }

  #life(random: Random): () => Promise<void> {
    const args = oneOf(random, [
      ["restart", "-t", "0"],
      ["stop", "-t", "0"],
      ["start"],
      ["kill"],
      ["kill", "-s", "SIGTERM"],
      ["pause"],
      ["unpause"],
    ]);
    return this.#onStack(random, args);
  }

  #exec(random: Random): () => Promise<void> {
    const command = oneOf(random, [
      ["true"],
      ["sleep", "0.5"],
      ["cat"],
      ["sh", "-c", "echo word; sleep 0.3; exit 4"],
    ]);
    return this.#onStack(random, ["exec", ...oneOf(random, [["-T"], ["-d"]]), "a", ...command], 0.4);
  }

  #runOnce(random: Random): () => Promise<void> {
    const command = oneOf(random, [["true"], ["sleep", "0.5"], ["cat"], ["no-such-command"]]);
    const how = oneOf(random, [["-T"], ["-d"]]);
    return this.#onStack(random, ["run", "--rm", "--no-deps", ...how, "a", ...command], 0.5);
  }

  #copy(random: Random): () => Promise<void> {
    const file = join(this.bay.folder, "stack", "big");
    writeFileSync(file, Buffer.alloc(4 << 20));
    const into = join(this.bay.folder, `copy-${this.#serial++}`);
    const args = oneOf(random, [
      ["cp", "big", "a:/tmp/big"],
      ["cp", "a:/bin", into],
      ["cp", "a:/no-such-file", into],
      ["cp", "word", "a:/no-such-folder/word"],
    ]);
    return this.#onStack(random, args, 0.4);
  }

  #follow(random: Random): () => Promise<void> {
    const args = oneOf(random, [["logs", "-f"], ["events"], ["attach", "a"], ["stats"], ["wait", "a"]]);
    return this.#onStack(random, args, 1);
  }

  #build(random: Random): () => Promise<void> {
    const number = Math.floor(random() * 4);
    const last = oneOf(random, ["RUN sleep 0.2", "RUN exit 3", "USER nobody-known\nRUN true", "RUN sleep 3"]);
    const file = `Dockerfile.${this.#serial++}`;
    this.bay.write(`FROM scratch\nCOPY . /\nRUN echo ${number} > /number\n${last}\n`, file);
    const stay = this.#stay(random, last === "RUN sleep 3" ? 1 : 0.2);
    return () => this.#client(["image", "build", "-q", "-t", IMAGE, "-f", file, "../busybox"], stay);
  }

  #image(random: Random): () => Promise<void> {
    const archive = join(this.bay.folder, "image.tar");
    const args = oneOf(random, [
      ["image", "save", "-o", archive, IMAGE],
      ["image", "load", "-i", archive],
      ["image", "rm", "-f", IMAGE],
      ["image", "prune"],
    ]);
    const stay = this.#stay(random, 0.3);
    return () => this.#client(args, stay);
  }

  #registry(random: Random): () => Promise<void> {
    const { remote } = this;
    const args = oneOf(random, [
      ["image", "pull", remote],
      ["image", "pull", remote],
      ["image", "rm", "-f", remote],
      ["image", "tag", IMAGE, remote],
      ["image", "push", remote],
    ]);
    const stay = this.#stay(random, 0.4);
    return () => this.#client(args, stay);
  }

  // ---- clients of the API

  /** A request whose answer does not matter: what it is for may be missing, or in use. */
  async #send(method: string, path: string, body?: unknown): Promise<void> {
    const { status } = await ask(this.bay, method, path, body);
    this.note(`${method} ${path} ${status}`);
  }

  #commit(random: Random): () => Promise<void> {
    const at = random();
    const memory = oneOf(random, [50, 70]) << 20;
    const request = oneOf<(id: string) => Promise<void>>(random, [
      (id) => this.#send("POST", `/commit?container=${id}&repo=leak/committed`),
      (id) => this.#send("POST", `/containers/${id}/update`, { Memory: memory, MemorySwap: memory }),
    ]);
    return () => this.#withContainer(at, request);
  }

  #prune(random: Random): () => Promise<void> {
    const what = oneOf(random, ["containers", "networks", "volumes", "images", "build"]);
    return () => this.#send("POST", `/${what}/prune`);
  }

  /** Things of no stack. */
  #create(random: Random): () => Promise<void> {
    const number = Math.floor(random() * 3);
    const at = random();
    const network = `leak-made-${number}`;
    const volume = `leak-made-${number}`;
    const container = {
      Image: IMAGE,
      Cmd: oneOf(random, [["sleep", "1000"], ["true"], ["no-such-command"]]),
      Volumes: { "/anonymous": {} },
      HostConfig: {
        AutoRemove: random() < 0.5,
        NetworkMode: oneOf(random, [network, "default", "none"]),
        Binds: [`${volume}:/named`],
      },
    };
    const isStarted = random() < 0.7;
    const request = oneOf<() => Promise<void>>(random, [
      () => this.#send("POST", "/volumes/create", { Name: volume }),
      () => this.#send("DELETE", `/volumes/${volume}`),
      () => this.#send("POST", "/networks/create", { Name: network }),
      () => this.#send("DELETE", `/networks/${network}`),
      () =>
        this.#withContainer(at, (id) =>
          this.#send("POST", `/networks/${network}/connect`, { Container: id }),
        ),
      () =>
        this.#withContainer(at, (id) =>
          this.#send("POST", `/networks/${network}/disconnect`, { Container: id, Force: true }),
        ),
      async () => {
        const made = await askFor<Row>(this.bay, "POST", "/containers/create", container);
        if (made && isStarted) await this.#send("POST", `/containers/${made.Id}/start`);
      },
    ]);
    return request;
  }

  async #withContainer<T>(at: number, action: (id: string) => Promise<T>): Promise<void> {
    const rows = (await askFor<Row[]>(this.bay, "GET", "/containers/json?all=1")) ?? [];
    const row = rows[Math.floor(at * rows.length)];
    if (row) await action(row.Id);
  }

  #rename(random: Random): () => Promise<void> {
    const at = random();
    const name = `renamed-${this.#serial++}`;
    return () => this.#withContainer(at, (id) => this.#send("POST", `/containers/${id}/rename?name=${name}`));
  }

  #remove(random: Random): () => Promise<void> {
    const at = random();
    return () => this.#withContainer(at, (id) => this.#send("DELETE", `/containers/${id}?force=1&v=1`));
  }

  #apiExec(random: Random): () => Promise<void> {
    const at = random();
    const leaving = oneOf<Leaving>(random, ["destroy", "half-close", "at once"]);
    const upgrade = random() < 0.5 ? ["Connection: Upgrade", "Upgrade: tcp"] : [];
    const Tty = random() < 0.4;
    const body = {
      AttachStdin: true,
      AttachStdout: true,
      Tty,
      Cmd: oneOf(random, [
        ["cat"],
        ["sleep", "0.5"],
        ["no-such-command"],
        ["sh", "-c", "yes | head -c 200000"],
      ]),
    };
    const isStarted = random() < 0.85;
    return () =>
      this.#withContainer(at, async (id) => {
        const made = await askFor<Row>(this.bay, "POST", `/containers/${id}/exec`, body);
        if (!made || !isStarted) return;
        const start = rawRequest(
          "POST",
          `/exec/${made.Id}/start`,
          JSON.stringify({ Detach: false, Tty }),
          upgrade,
        );
        this.note(`exec ${JSON.stringify(body)}, then ${leaving}`);
        await sendRaw(this.bay, start, leaving, PATIENCE);
      });
  }

  #raw(random: Random): () => Promise<void> {
    const at = random();
    const leaving = oneOf<Leaving>(random, ["destroy", "half-close", "at once"]);
    const request = oneOf<(id: string) => string>(random, [
      (id) => rawRequest("GET", `/containers/${id}/logs?follow=1&stdout=1&stderr=1`),
      (id) => rawRequest("POST", `/containers/${id}/attach?stream=1&stdin=1&stdout=1&stderr=1`),
      (id) => rawRequest("POST", `/containers/${id}/wait`),
      (id) => rawRequest("GET", `/containers/${id}/stats`),
      (id) => rawRequest("GET", `/containers/${id}/archive?path=/bin`),
      (id) => rawRequest("GET", `/containers/${id}/export`),
      (id) => rawRequest("PUT", `/containers/${id}/archive?path=/tmp`, "half a tar"),
      (id) =>
        `PUT /containers/${id}/archive?path=/tmp HTTP/1.1\r\nHost: bay\r\nContent-Length: 900000\r\n\r\nbegin`,
      () => rawRequest("GET", "/events"),
      () => rawRequest("GET", `/images/${encodeURIComponent(IMAGE)}/get`),
      () => "POST /images/load HTTP/1.1\r\nHost: bay\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n",
      () => "POST /build HTTP/1.1\r\nHost: bay\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n",
      () => "GET /_ping HTTP/1.1\r\nHost: b",
      () => "\0\r\n\r\n",
    ]);
    return () =>
      this.#withContainer(at, (id) => {
        this.note(`${request(id).split("\r\n", 1)[0]}, then ${leaving}`);
        return sendRaw(this.bay, request(id), leaving, PATIENCE);
      });
  }
}
