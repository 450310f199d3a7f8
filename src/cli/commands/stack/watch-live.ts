/** `bay watch` on a terminal: the live screen, the logs below, and keys. */
import { spawn } from "node:child_process";
import { messageOf } from "../../../core/errors.ts";
import type { Client } from "../../../daemon/index.ts";
import type { Stack } from "../../../stack/index.ts";
import type { WatchEvent } from "../../../watch/index.ts";
import { type ContainerRow, listContainers, serviceOf } from "../../named-containers.ts";
import { LogFollower } from "../../ui/log-follower.ts";
import { changesOf, patiently } from "../../ui/stack-changes.ts";
import { linesOf } from "../../ui/watch-lines.ts";
import { WatchScreen } from "../../ui/watch-screen.ts";
import type { RunningWatch } from "./watch.ts";

const CTRL_C = "\x03";

export class LiveWatch {
  readonly #screen: WatchScreen;
  readonly #shown = new Set<string>();
  /** Earlier output is not shown: seconds since 1970. */
  #since = String(Date.now() / 1000);
  #follower: LogFollower | undefined;
  #rows: ContainerRow[] = [];
  #isOpen = false;
  readonly #closed = new AbortController();
  #question: ((answer: boolean) => void) | undefined;
  #onKey: ((key: Buffer) => void) | undefined;

  constructor(
    readonly stack: Stack,
    readonly services: readonly string[],
    readonly quiet: boolean,
  ) {
    const names = services.length > 0 ? services : Object.keys(stack.services);
    this.#screen = new WatchScreen(`bay watch ${stack.name}`, names);
  }

  readonly report = (event: WatchEvent): void => {
    this.#screen.note(event);
    // the services' lines have the usual events; what needs more room is in the log
    if (this.#isOpen && (event.type === "sync" || event.type === "restart")) return;
    for (const line of linesOf(event, this.quiet)) this.#say(line);
  };

  /** Asks in the log; y agrees, and any other key does not. */
  readonly confirm = (question: string): Promise<boolean> => {
    this.#question?.(false);
    process.stdout.write(`${question} [y/N] `);
    return new Promise((resolve) => {
      this.#question = (answer) => {
        this.#question = undefined;
        process.stdout.write(`${answer ? "y" : "n"}\n`);
        resolve(answer);
      };
    });
  };

  async open(client: Client, running: RunningWatch, leave: () => void): Promise<void> {
    this.#isOpen = true;
    this.#screen.open();
    this.#startLogs(client);
    process.stdin.setRawMode(true);
    this.#onKey = (bytes) => {
      for (const key of bytes.toString("latin1")) this.#press(key, client, running, leave);
    };
    process.stdin.on("data", this.#onKey);
    process.stdin.resume();
    void this.#look(client);
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#closed.abort();
    this.#question?.(false);
    if (this.#onKey) process.stdin.off("data", this.#onKey);
    process.stdin.setRawMode(false);
    process.stdin.pause();
    await this.#follower?.finish();
    this.#screen.close();
  }

  #say(line: string): void {
    process.stdout.write(`${line}\n`);
  }

  #press(key: string, client: Client, running: RunningWatch, leave: () => void): void {
    if (this.#question && key !== CTRL_C) return this.#question(key === "y" || key === "Y");
    const failed = (error: unknown) => this.#say(messageOf(error));
    if (key === "q" || key === CTRL_C) leave();
    else if (key === "r") running.watch.restartAll().catch(failed);
    else if (key === "b") running.watch.rebuildAll().catch(failed);
    else if (key === "p") running.files.showPlan().catch(failed);
    else if (key === "o") this.#openPort();
    else if (key === "l") this.#toggleLogs(client);
  }

  #startLogs(client: Client): void {
    this.#follower = new LogFollower(client, { prefix: true, timestamps: false, colour: true });
  }

  #toggleLogs(client: Client): void {
    if (this.#follower) {
      void this.#follower.finish();
      this.#follower = undefined;
      this.#say("the logs are off; l shows them again");
      return;
    }
    this.#shown.clear();
    this.#since = String(Date.now() / 1000);
    this.#startLogs(client);
    this.#follow();
  }

  /** Keeps the services' lines and the followed logs current. */
  async #look(client: Client): Promise<void> {
    try {
      for await (const _change of changesOf(client, this.stack.name, this.#closed.signal)) {
        if (!this.#isOpen) return;
        this.#rows = await patiently(() => listContainers(client, this.stack.name));
        this.#follow();
        this.#screen.setRows(this.#states());
      }
    } catch (error) {
      if (this.#isOpen) this.#say(messageOf(error));
    }
  }

  #chosen(): ContainerRow[] {
    return this.#rows.filter((row) => this.services.length === 0 || this.services.includes(serviceOf(row)));
  }

  #follow(): void {
    for (const row of this.#chosen()) {
      if (!this.#follower || this.#shown.has(row.Id)) continue;
      this.#shown.add(row.Id);
      this.#follower.follow(row, { tail: "all", follow: true, since: this.#since }).catch(() => {});
    }
  }

  #states() {
    const names = this.services.length > 0 ? this.services : Object.keys(this.stack.services);
    return names.map((service) => {
      const states = this.#chosen()
        .filter((row) => serviceOf(row) === service)
        .map(({ State, Status }) => {
          const health = /\((healthy|unhealthy|health: starting)\)/.exec(Status)?.[1];
          return health ? `${State} (${health})` : State;
        });
      return { service, state: [...new Set(states)].join(", ") || "no container" };
    });
  }

  /** Opens the first published port in a browser, or says its address. */
  #openPort(): void {
    const port = this.#chosen()
      .flatMap(({ Ports }) => Ports)
      .find(({ PublicPort, Type }) => PublicPort !== undefined && Type === "tcp");
    if (port === undefined) return this.#say("no port is published");
    const address = `http://${hostOf(port.IP)}:${port.PublicPort}/`;
    this.#say(address);
    const child = spawn("xdg-open", [address], { stdio: "ignore", detached: true });
    child.on("error", () => {}); // a server has no browser: the address was printed
    child.unref();
  }
}

/** The host of a URL for an address at which a port is published. */
function hostOf(address: string | undefined): string {
  if (!address || ["0.0.0.0", "::", "127.0.0.1", "::1"].includes(address)) return "localhost";
  return address.includes(":") ? `[${address}]` : address;
}
