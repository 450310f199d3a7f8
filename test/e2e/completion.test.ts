/** Completion in real shells: each is given keys on a terminal, and what it makes of the line is read. */
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bay, COMMAND, eventually } from "../support/bay.ts";
import { hasCommand } from "../support/commands.ts";

const STACK = `name: compl
images: { box: { rootfs: ../busybox } }
services:
  frontend: { image: box, command: sleep 1000, stop_grace_period: 0s }
  database: { image: box, command: sleep 1000, profiles: [storage] }
`;

/** What is typed up to TAB, and what the line has then. Each can be completed in one way only. */
const LINES: [typed: string, completed: string][] = [
  ["bay image pru", "bay image prune"], // a subcommand
  ["bay daemon uninst", "bay daemon uninstall"], // a fixed word
  ["bay up --force-rec", "bay up --force-recreate"], // an option
  ["bay --project-n", "bay --project-name"], // one before the command
  ["bay up --pull mis", "bay up --pull missing"], // a value
  ["bay up --pull=mis", "bay up --pull=missing"],
  ["bay stop fro", "bay stop frontend"], // a service
  ["bay stop data", "bay stop database"], // one of a profile that is off
  ["bay up --scale fro", "bay up --scale frontend="],
  ["bay --profile stor", "bay --profile storage"],
  ["bay -f other.yaml stop else", "bay -f other.yaml stop elsewhere"], // of another file
  ["bay apply plan-fi", "bay apply plan-file"], // a file
  ["bay -f oth", "bay -f other.yaml"],
  ["bay cp fro", "bay cp frontend:"],
  ["bay container ren", "bay container rename"], // newer commands
  ["bay container run --network compl_", "bay container run --network compl_default"],
  ["bay container run --restart unl", "bay container run --restart unless-stopped"],
  ["bay container create --cap-add NET_BI", "bay container create --cap-add NET_BIND_SERVICE"],
  ["bay container create --volumes-from compl-fr", "bay container create --volumes-from compl-frontend-1"],
  ["bay container rename compl-fr", "bay container rename compl-frontend-1"],
  ["bay container run --cidfile plan-fi", "bay container run --cidfile plan-file"],
  ["bay logs compl-fr", "bay logs compl-frontend-1"], // a container, which is not a service
  ["bay watch fro", "bay watch frontend"],
  ["bay gitops susp", "bay gitops suspend"],
  ["bay gitops add --pol", "bay gitops add --policy"],
  ["bay gitops sync fol", "bay gitops sync followed"],
  ["bay host inv", "bay host invite"],
  ["bay network rm none-s", "bay network rm none-s"], // nothing
];

/** A shell on a terminal of its own. */
class Terminal {
  #seen = "";
  readonly #child;

  constructor(command: string, cwd: string, env: NodeJS.ProcessEnv) {
    this.#child = spawn("script", ["-qfec", command, "/dev/null"], { cwd, env });
    this.#child.stdout.on("data", (part: Buffer) => (this.#seen += part.toString("latin1")));
  }

  type(keys: string): void {
    this.#child.stdin.write(keys);
  }

  /** Without escape sequences. */
  get screen(): string {
    return this.#seen.replace(/\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>(][B0]?|\x07/g, "");
  }

  /** Types a command whose answer is a line of its own, and waits for that line. */
  async until(text: string): Promise<void> {
    await eventually(() => expect(this.screen).toContain(text));
  }

  forget(): void {
    this.#seen = "";
  }

  close(): void {
    this.#child.kill("SIGKILL");
  }
}

describe("completion", () => {
  const bay = new Bay();
  const bin = join(bay.folder, "bin");
  const folder = join(bay.folder, "stack");
  const env: NodeJS.ProcessEnv = {
    ...bay.env,
    PATH: `${bin}:${process.env.PATH}`,
    HOME: bay.folder,
    TERM: "vt100",
    COLUMNS: "200",
    PS1: "ready> ",
  };

  beforeAll(() => {
    bay.busybox();
    bay.write(STACK);
    bay.write(STACK.replace("frontend", "elsewhere"), "other.yaml");
    bay.write("", "plan-file");
    bay.ok("up", "-d");
    bay.ok("gitops", "add", "followed", "--repo", "https://127.0.0.1:1/none.git");
    mkdirSync(bin);
    writeFileSync(join(bin, "bay"), `#!/bin/sh\nexec ${process.execPath} ${COMMAND} "$@"\n`);
    chmodSync(join(bin, "bay"), 0o755);
    for (const shell of ["bash", "zsh", "fish"])
      writeFileSync(join(bay.folder, `completion.${shell}`), bay.ok("completion", shell));
    mkdirSync(join(bay.folder, "functions"));
    writeFileSync(join(bay.folder, "functions", "_bay"), bay.ok("completion", "zsh"));
  });
  afterAll(() => bay.close());

  /** Types each line and TAB, and has the shell print what the line is then. */
  async function tryLines(terminal: Terminal): Promise<void> {
    terminal.type("echo begun-$((40 + 2))\n");
    await terminal.until("begun-42");
    for (const [typed, completed] of LINES) {
      terminal.forget();
      // home, then end: the line becomes what printf prints
      terminal.type(`${typed}\t\x01printf 'told<%s>\\n' '\x05'\n`);
      await eventually(() => expect(terminal.screen).toMatch(/\ntold<.*>\r?\n/));
      const [, line = ""] = /\ntold<(.*)>\r?\n/.exec(terminal.screen)!;
      expect(line.trimEnd(), typed).toBe(completed);
    }
  }

  it.skipIf(!hasCommand("bash"))("bash completes every kind of word", async () => {
    const terminal = new Terminal("bash --norc --noprofile -i", folder, env);
    try {
      terminal.type(`bind 'set enable-bracketed-paste off'; PS1='ready> '; source ../completion.bash\n`);
      await tryLines(terminal);
    } finally {
      terminal.close();
    }
  });

  it.skipIf(!hasCommand("zsh"))("zsh completes them with the script sourced", async () => {
    const terminal = new Terminal("zsh -f -i", folder, env);
    try {
      terminal.type(
        "bindkey -e; unsetopt zle_bracketed_paste prompt_cr prompt_sp; PS1='ready> '; source ../completion.zsh\n",
      );
      await tryLines(terminal);
    } finally {
      terminal.close();
    }
  });

  it.skipIf(!hasCommand("zsh"))("zsh completes them with the script autoloaded", async () => {
    const terminal = new Terminal("zsh -f -i", folder, env);
    try {
      terminal.type(
        "bindkey -e; unsetopt prompt_cr prompt_sp; PS1='ready> '; fpath=(../functions $fpath); autoload -Uz compinit; compinit -u -D\n",
      );
      await tryLines(terminal);
    } finally {
      terminal.close();
    }
  });

  it.skipIf(!hasCommand("fish"))("fish completes them", () => {
    for (const [typed, completed] of LINES) {
      const words = fish(typed);
      const last = completed.split(" ").at(-1)!;
      if (typed === completed) expect(words).toEqual([]);
      else expect(words, typed).toContain(last);
    }
    expect(fish("bay up --pull ")).toEqual(["always", "missing", "never"]);
    expect(fish("bay exec frontend ")).not.toContain("database");
  });

  /** fish(1): `complete -C` prints what TAB would offer. */
  function fish(line: string): string[] {
    const { out } = bayShell("fish", ["-N", "-c", `source ../completion.fish; complete -C '${line}'`]);
    return out
      .split("\n")
      .filter(Boolean)
      .map((text) => text.split("\t")[0]!);
  }

  function bayShell(program: string, args: string[]): { out: string } {
    const { stdout } = spawnSync(program, args, { cwd: folder, env, encoding: "utf8" });
    return { out: stdout };
  }
});
