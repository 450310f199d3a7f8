/**
 * Sockets that stay bound while bayd does not run. A small process holds a copy of each; when the set changes, a new process
 * with the new set replaces it. A note beside it lists its sockets for the next bayd.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { SIGNALS } from "../../core/signals.ts";
import {
  close,
  isAlive,
  processOfProgram,
  type SocketKeeper,
  signalProcess,
  startSocketKeeper,
  takeSockets,
} from "../../linux/index.ts";

/** A killed process holds its sockets for another moment, and they must not be reported as free before. */
function awaitEnd(pid: number, start: number): void {
  const deadline = Date.now() + END_TIME;
  const clock = new Int32Array(new SharedArrayBuffer(4));
  while (isAlive(pid, start) && Date.now() < deadline) Atomics.wait(clock, 0, 0, 0.2);
}
const END_TIME = 1000;

const noteSchema = z.object({
  pid: z.number().int().positive(),
  start: z.number().int().positive(),
  names: z.array(z.string()),
});

/** Milliseconds; several changes in a row are combined. */
const DELAY = 10;

export class KeptSockets {
  /** Descriptors of this process by name. */
  readonly #own = new Map<string, number>();
  /** Descriptors that an earlier bayd left. */
  readonly #left = new Map<string, number>();
  #keeper: SocketKeeper | undefined;
  #timer: NodeJS.Timeout | undefined;
  #serial = 0;

  constructor(readonly directory: string) {}

  /** Takes over the sockets of an earlier bayd. Its keepers run until `settle`. */
  adopt(): void {
    this.#endUnnoted();
    for (const note of this.#notes()) {
      const fds = takeSockets(note, note.names.length);
      for (const [index, fd] of fds.entries()) {
        const name = note.names[index]!;
        if (this.#left.has(name)) close(fd);
        else this.#left.set(name, fd);
      }
    }
  }

  /** Returns a socket that is bound already; it belongs to the caller from then on. */
  take(name: string): number | undefined {
    const fd = this.#left.get(name);
    this.#left.delete(name);
    return fd;
  }

  /** Keeps a copy of a descriptor until `drop`; the caller still closes its own. */
  keep(name: string, fd: number): void {
    this.#own.set(name, fd);
    this.#changed();
  }

  /** Stops keeping a descriptor. Call it before the descriptor is closed. */
  drop(name: string): void {
    if (this.#own.delete(name)) this.#changed();
  }

  /** Releases dropped sockets immediately; returns false if there are none. */
  letGo(): boolean {
    if (this.#timer === undefined) return false;
    this.settle();
    return true;
  }

  #changed(): void {
    this.#timer ??= setTimeout(() => this.settle(), DELAY);
    this.#timer.unref();
  }

  /** Makes the process hold exactly the sockets that are kept now. */
  settle(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const fd of this.#left.values()) close(fd);
    this.#left.clear();
    const before = this.#notes();
    const names = [...this.#own.keys()];
    let fresh: string | undefined;
    if (names.length > 0) {
      mkdirSync(this.directory, { recursive: true, mode: 0o700 });
      fresh = `${process.pid}-${this.#serial++}`;
      this.#keeper = startSocketKeeper(join(this.directory, `${fresh}.program`), [...this.#own.values()]);
      const note = { ...this.#keeper, names } satisfies z.output<typeof noteSchema>;
      writeFileSync(join(this.directory, `${fresh}.json`), JSON.stringify(note), { mode: 0o600 });
    }
    for (const { pid, start, file } of before) {
      signalProcess(pid, start, SIGNALS.SIGKILL);
      awaitEnd(pid, start);
      this.#removeFiles(file);
    }
  }

  /** Ends keepers of a bayd that was killed before it noted them: the previous keeper holds the same sockets. */
  #endUnnoted(): void {
    const noted = new Set(this.#notes().map(({ file }) => file));
    for (const file of this.#files(".program").filter((name) => !noted.has(name))) {
      const keeper = processOfProgram(join(this.directory, `${file}.program`));
      if (keeper) {
        signalProcess(keeper.pid, keeper.start, SIGNALS.SIGKILL);
        awaitEnd(keeper.pid, keeper.start);
      }
      this.#removeFiles(file);
    }
    for (const file of this.#files(".json").filter((name) => !noted.has(name))) this.#removeFiles(file);
  }

  #removeFiles(file: string): void {
    for (const ending of ["json", "program"])
      rmSync(join(this.directory, `${file}.${ending}`), { force: true });
  }

  /** Noted keepers, the newest first. */
  #notes(): (SocketKeeper & { names: string[]; file: string })[] {
    return this.#files(".json").flatMap((file) => {
      try {
        const text = readFileSync(join(this.directory, `${file}.json`), "utf8");
        return [{ ...noteSchema.parse(JSON.parse(text)), file }];
      } catch {
        // a bayd that was killed wrote only a part of it
        return [];
      }
    });
  }

  #files(ending: ".json" | ".program"): string[] {
    try {
      return readdirSync(this.directory)
        .filter((name) => name.endsWith(ending))
        .map((name) => name.slice(0, -ending.length))
        .sort((a, b) => b.localeCompare(a, "en", { numeric: true }));
    } catch {
      return []; // the directory does not exist
    }
  }
}
