/** A running `bay watch --json`, and trees of files to compare. */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { WatchEvent } from "../../src/watch/events.ts";
import { type Bay, COMMAND, eventually, Hopeless } from "./bay.ts";

export class Watching {
  readonly events: WatchEvent[] = [];
  readonly #child: ChildProcess;
  #errors = "";
  #rest = "";

  constructor(
    readonly bay: Bay,
    args: string[] = [],
    /** A command that runs the watch. */
    by: string[] = [],
  ) {
    const [program, ...words] = [...by, process.execPath, COMMAND, "watch", "--json", ...args];
    this.#child = spawn(program!, words, {
      cwd: join(bay.folder, "stack"),
      env: bay.env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child.stdout!.setEncoding("utf8").on("data", (part: string) => {
      const lines = (this.#rest + part).split("\n");
      this.#rest = lines.pop()!;
      for (const line of lines) this.events.push(JSON.parse(line) as WatchEvent);
    });
    this.#child.stderr!.setEncoding("utf8").on("data", (part: string) => (this.#errors += part));
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Resolves when the watch reports that it watches. */
  async begun(): Promise<this> {
    await this.next("watching", 0);
    return this;
  }

  of<T extends WatchEvent["type"]>(type: T): Extract<WatchEvent, { type: T }>[] {
    return this.events.filter((event): event is Extract<WatchEvent, { type: T }> => event.type === type);
  }

  /** The event of this type after the first `known` ones. */
  async next<T extends WatchEvent["type"]>(
    type: T,
    known: number,
  ): Promise<Extract<WatchEvent, { type: T }>> {
    await eventually(() => {
      if (this.#child.exitCode !== null) throw new Hopeless(`it has ended\n${this.story()}`);
      expect(
        this.of(type).length,
        `${type}\n${JSON.stringify(this.events.slice(-5))}\n${this.#errors}`,
      ).toBeGreaterThan(known);
    });
    return this.of(type)[known]!;
  }

  /** Its last events and errors and bayd's log, for a failure that has to be understood afterwards. */
  story(): string {
    const state = this.#child.exitCode ?? this.#child.signalCode ?? "it runs";
    const events = this.events.slice(-60).map((event) => JSON.stringify(event));
    const log = this.bay.log().split("\n").slice(-30);
    return ["bay watch:", ...events, this.#errors, String(state), "bayd:", ...log].join("\n");
  }

  /** Waits until a check holds, for as long as events or other states that it returns change, and a minute more. */
  async settled(check: () => void, state: () => unknown, patience = 60_000): Promise<void> {
    let [last, since] = ["", Date.now()];
    await eventually(() => {
      const now = JSON.stringify([this.events.length, state()]);
      if (now !== last) [last, since] = [now, Date.now()];
      try {
        check();
      } catch (error) {
        if (Date.now() - since < patience) throw error;
        throw new Hopeless(`nothing has changed for ${patience / 1000} seconds\n${this.story()}`, {
          cause: error,
        });
      }
    });
  }

  /** Ends it as Ctrl-C does; returns the exit code. */
  async stop(signal: NodeJS.Signals = "SIGINT"): Promise<number | null> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return this.#child.exitCode;
    const ended = new Promise<number | null>((resolve) => this.#child.on("exit", resolve));
    this.#child.kill(signal);
    return ended;
  }
}

/** Every path below a directory with its kind, mode, and content or link. */
export function treeOf(
  directory: string,
  leaveOut: (path: string) => boolean = () => false,
): Record<string, string> {
  const found: Record<string, string> = {};
  const walk = (at: string) => {
    for (const name of readdirSync(join(directory, at))) {
      const path = at === "" ? name : `${at}/${name}`;
      if (leaveOut(path)) continue;
      const stat = lstatSync(join(directory, path));
      const mode = (stat.mode & 0o7777).toString(8);
      if (stat.isSymbolicLink()) found[path] = `-> ${readlinkSync(join(directory, path))}`;
      else if (stat.isDirectory()) found[path] = `directory ${mode}`;
      else found[path] = `file ${mode} ${contentOf(join(directory, path))}`;
      if (stat.isDirectory()) walk(path);
    }
  };
  walk("");
  return found;
}

/** A large file by its digest, so that a difference is short. */
function contentOf(path: string): string {
  const bytes = readFileSync(path);
  return bytes.length < 1 << 20 ? bytes.toString() : createHash("sha256").update(bytes).digest("hex");
}

/** A path in a running container, as seen from the host. */
export function inContainer(bay: Bay, name: string, path: string): string {
  const [{ State }] = JSON.parse(bay.ok("inspect", name)) as [{ State: { Pid: number } }];
  return join(`/proc/${State.Pid}/root`, path);
}
