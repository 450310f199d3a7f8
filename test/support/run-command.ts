/** Runs the command in this process, with its output, its input and its directories in the hands of a test. */
import { Readable, Writable } from "node:stream";
import { main } from "../../src/cli/program.ts";
import { setStyle } from "../../src/cli/ui/output.ts";

export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  /** The directories of bayd. */
  bayd?: { root: string; run: string };
  cwd?: string;
  env?: Readonly<Record<string, string | undefined>>;
  /** Standard input; by default it is empty. */
  input?: string | Buffer;
}

/** What a developer's own shell may have set. */
const UNSET = ["NO_COLOR", "FORCE_COLOR", "COMPOSE_ANSI", "COMPOSE_PROGRESS", "BAY_ROOT", "BAY_RUN"];

/** Runs `bay WORDS` to its end. One command at a time: the streams and the environment belong to the process. */
export async function bay(words: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const written: Record<"stdout" | "stderr", Buffer[]> = { stdout: [], stderr: [] };
  const input = Readable.from(options.input === undefined ? [] : [Buffer.from(options.input)]);
  const restored = [
    replaceStream("stdin", input),
    replaceStream("stdout", collecting(written.stdout)),
    replaceStream("stderr", collecting(written.stderr)),
  ];
  const before = { cwd: process.cwd(), env: { ...process.env } };
  for (const name of UNSET) delete process.env[name];
  // the files of the user who runs the tests are neither read nor written
  const home = options.bayd ? { XDG_CONFIG_HOME: options.bayd.run, DOCKER_CONFIG: options.bayd.run } : {};
  for (const [name, value] of Object.entries({ ...home, ...options.env }))
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  if (options.cwd) process.chdir(options.cwd);
  setStyle({ ansi: "auto", progress: "auto", statusToStdout: false });
  const roots = options.bayd ? ["--root", options.bayd.root, "--run", options.bayd.run] : [];
  try {
    const code = await main(["node", "bay", ...roots, ...words]);
    const [stdout, stderr] = [written.stdout, written.stderr].map((parts) => Buffer.concat(parts).toString());
    return { code, stdout: stdout!, stderr: stderr! };
  } finally {
    for (const restore of restored) restore();
    process.chdir(before.cwd);
    for (const name of Object.keys(process.env)) if (!(name in before.env)) delete process.env[name];
    Object.assign(process.env, before.env);
  }
}

function collecting(parts: Buffer[]): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      parts.push(chunk);
      done();
    },
  });
}

function replaceStream(name: "stdin" | "stdout" | "stderr", value: unknown): () => void {
  const before = Object.getOwnPropertyDescriptor(process, name)!;
  Object.defineProperty(process, name, { configurable: true, value });
  return () => void Object.defineProperty(process, name, before);
}
