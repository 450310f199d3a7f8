/** A running `bay watch --json`, and trees of files to compare. */
import { type ChildProcess, spawn } from "node:child_process";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { WatchEvent } from "../../src/watch/events.ts";
import { type Bay, COMMAND, eventually } from "./bay.ts";

export class Watching {
  readonly events: WatchEvent[] = [];
  readonly #child: ChildProcess;
  #errors = "";
  #rest = "";

  constructor(
    readonly bay: Bay,
    args: string[] = [],
  ) {
    this.#child = spawn(process.execPath, [COMMAND, "watch", "--json", ...args], {
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
      if (this.#child.exitCode !== null) expect(`${this.#errors}ended`).toBe("running");
      expect(
        this.of(type).length,
        `${type}\n${JSON.stringify(this.events.slice(-5))}\n${this.#errors}`,
      ).toBeGreaterThan(known);
    });
    return this.of(type)[known]!;
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
      else found[path] = `file ${mode} ${readFileSync(join(directory, path), "utf8")}`;
      if (stat.isDirectory()) walk(path);
    }
  };
  walk("");
  return found;
}

/** A path in a running container, as seen from the host. */
export function inContainer(bay: Bay, name: string, path: string): string {
  const [{ State }] = JSON.parse(bay.ok("inspect", name)) as [{ State: { Pid: number } }];
  return join(`/proc/${State.Pid}/root`, path);
}
