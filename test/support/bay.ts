/** A bay of a test's own: the built command with roots in a temporary folder, and a check that nothing is left. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import { resolveRoots } from "../../src/core/roots.ts";
import { own, sweepTag } from "./owned.ts";

export const COMMAND = resolve("dist/bay.js");
const BUSYBOX = "/bin/busybox";

/** No command of a test takes this long, on any machine: one that does hangs. */
export const HANGS_AFTER = 15 * 60_000;

export interface Result {
  code: number;
  out: string;
  err: string;
}

/** What a process says, and how it ends. */
export async function ended(child: ChildProcess): Promise<Result> {
  let [out, err] = ["", ""];
  child.stdout!.setEncoding("utf8").on("data", (part: string) => (out += part));
  child.stderr!.setEncoding("utf8").on("data", (part: string) => (err += part));
  const code = await new Promise<number>((resolve) => child.on("close", (status) => resolve(status ?? -1)));
  return { code, out, err };
}

/** Namespaces in which a bay runs, as on a host of its own. */
export interface BayHost {
  /** The command that runs another there, in a folder. */
  enter(folder: string): string[];
}

/** Those that this test file made. */
export const ownBays: Bay[] = [];

export class Bay {
  readonly folder = mkdtempSync(join(tmpdir(), "bay-test-"));
  readonly env: NodeJS.ProcessEnv;
  /** Where commands run; several hosts can have the same one. */
  stackFolder: string;

  /** `place` is the file of a network namespace, or a host, in which all of this bay runs. */
  constructor(readonly place?: string | BayHost) {
    this.stackFolder = join(this.folder, "stack");
    const { COMPOSE_FILE: _, COMPOSE_PROJECT_NAME: __, ...rest } = process.env;
    this.env = {
      ...rest,
      BAY_ROOT: join(this.folder, "root"),
      BAY_RUN: join(this.folder, "run"),
      NO_COLOR: "1",
    };
    ownBays.push(this);
    own("folder", this.folder);
  }

  get socket(): string {
    return join(this.folder, "run", "bay.sock");
  }

  /** Writes bay.yaml (and other files) into the stack's folder, where commands run. */
  write(text: string, name = "bay.yaml"): this {
    mkdirSync(this.stackFolder, { recursive: true });
    writeFileSync(join(this.stackFolder, name), text);
    return this;
  }

  run(args: string[], options: { input?: string; cwd?: string; timeout?: number } = {}): Result {
    const cwd = options.cwd ?? this.stackFolder;
    const [program, words] = this.#command(args, cwd);
    const { status, stdout, stderr } = spawnSync(program, words, {
      cwd,
      env: this.env,
      input: options.input ?? "",
      encoding: "utf8",
      timeout: options.timeout ?? HANGS_AFTER,
      killSignal: "SIGKILL", // some commands pass SIGTERM on, and nothing else runs until this one has ended
      maxBuffer: 1 << 28,
    });
    return { code: status ?? -1, out: stdout, err: stderr };
  }

  /** As `run`, while servers of the test's own process go on. */
  async call(args: string[], input = ""): Promise<Result> {
    const child = this.start(args);
    child.stdin.end(input);
    return ended(child);
  }

  /** Runs and expects success; gives standard output. */
  ok(...args: string[]): string {
    const { code, out, err } = this.run(args);
    if (code !== 0) throw new Error(`bay ${args.join(" ")} ended with ${code}\n${out}${err}\n${this.log()}`);
    return out;
  }

  start(args: string[]) {
    const cwd = this.stackFolder;
    return spawn(...this.#command(args, cwd), {
      cwd,
      env: this.env,
      stdio: ["pipe", "pipe", "pipe"],
    });
  }

  #command(args: string[], cwd: string): [program: string, words: string[]] {
    const own = [process.execPath, COMMAND, ...args];
    const enter =
      this.place === undefined
        ? []
        : typeof this.place === "string"
          ? ["nsenter", `--net=${this.place}`]
          : this.place.enter(cwd);
    const [program, ...words] = [...enter, ...own];
    return [program!, words];
  }

  ps(): PsRow[] {
    return jsonLines<PsRow>(this.ok("ps", "-a", "--format", "json"));
  }

  /** The containers of any stack, without its file. */
  stackPs(stack: string): PsRow[] {
    return jsonLines<PsRow>(this.ok("-p", stack, "ps", "-a", "--format", "json"));
  }

  /** Throws where there is none: a number that kill(2) would take for a process group is never given. */
  daemonPid(): number {
    const pid = Number(readFileSync(join(this.folder, "run", "bayd.pid"), "utf8"));
    if (!(pid > 1)) throw new Error(`bayd.pid says ${pid}`);
    return pid;
  }

  log(): string {
    try {
      return readFileSync(join(this.folder, "root", "bayd.log"), "utf8");
    } catch {
      return "";
    }
  }

  /** A root file system with busybox, as a folder for `rootfs:`. */
  busybox(): string {
    const rootfs = join(this.folder, "busybox");
    if (!existsSync(rootfs)) makeBusybox(rootfs);
    return rootfs;
  }

  /** Takes everything away, also after a test that failed half-way. */
  close(): void {
    for (const { name } of stacksOf(this.run(["ls", "-a", "--format", "json"], { cwd: "/" }).out))
      this.run(["-p", name, "down", "--take-over", "-v", "-t", "0"], { cwd: "/" });
    this.run(["daemon", "stop"], { cwd: "/" });
    if (typeof this.place === "object") return rmSync(this.folder, { recursive: true, force: true });
    // what a stack without containers left, after a test that failed
    sweepTag(this.tag);
    sh(`for file in ${join(this.folder, "run", "netns")}/*; do umount -l "$file" 2>/dev/null; done; true`);
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** What is in the names of this bay's links, tables and cgroups. */
  get tag(): string {
    return resolveRoots({ root: this.env.BAY_ROOT, run: this.env.BAY_RUN }).tag;
  }
}

/** One value a line, as `ps --format json` prints them. */
export const jsonLines = <T>(text: string): T[] =>
  text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as T);

function stacksOf(text: string): { name: string }[] {
  try {
    return (JSON.parse(text) as { Name: string }[]).map(({ Name }) => ({ name: Name }));
  } catch {
    return [];
  }
}

export interface PsRow {
  ID: string;
  Name: string;
  Service: string;
  Image: string;
  State: string;
  Health: string;
  ExitCode: number;
  OOMKilled: boolean;
  Pid: number;
  StartedAt: string;
  Publishers: { PublishedPort: number; TargetPort: number }[];
}

export function makeBusybox(rootfs: string): void {
  for (const name of ["bin", "etc", "tmp", "proc", "sys", "dev", "root"])
    mkdirSync(join(rootfs, name), { recursive: true });
  cpSync(BUSYBOX, join(rootfs, "bin", "busybox"));
  for (const applet of execFileSync(BUSYBOX, ["--list"], { encoding: "utf8" }).trim().split("\n")) {
    if (applet !== "busybox") symlinkSync("busybox", join(rootfs, "bin", applet));
  }
  writeFileSync(
    join(rootfs, "etc", "passwd"),
    "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/tmp:/bin/sh\n",
  );
  writeFileSync(join(rootfs, "etc", "group"), "root:x:0:\napp:x:1000:\n");
}

const sh = (command: string) =>
  execFileSync("sh", ["-c", command], { encoding: "utf8", timeout: HANGS_AFTER, killSignal: "SIGKILL" });

export const sleep = (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds));

/** Thrown by a check that will not hold any more, so that nothing waits for it. */
export class Hopeless extends Error {}

/**
 * Waits until a check holds, for minutes: the machine may be slow. The last error of the check is thrown at the end. The pause is
 * as long as the check took, so that one that runs commands leaves half of a processor to what it waits for.
 */
export async function eventually(check: () => void | Promise<void>, milliseconds = 300_000): Promise<void> {
  const deadline = Date.now() + milliseconds;
  for (;;) {
    const begin = performance.now();
    try {
      return await check();
    } catch (error) {
      if (Date.now() > deadline || error instanceof Hopeless) throw error;
    }
    await sleep(Math.min(Math.max(50, performance.now() - begin), 1000));
  }
}
