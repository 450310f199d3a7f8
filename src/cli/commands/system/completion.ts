/** `bay completion`: prints or installs the scripts for shells; `bay __complete` is called by them. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Command } from "commander";
import { BayError } from "../../../core/errors.ts";
import { PLACES, SCRIPTS, SHELLS, type Shell } from "../../completion/scripts.ts";
import type { Context } from "../../context.ts";
import { print } from "../../ui/output.ts";

const SHARE = "/usr/local/share";

/** Prints a script; `install` and `uninstall` write and remove those of all shells. Throws BAD_OPTION, NO_ACCESS. */
export async function completion(_context: Context, [what]: string[]): Promise<void> {
  if (SHELLS.some((shell) => shell === what)) return print(SCRIPTS[what as Shell]);
  if (what === "install")
    return print(
      installCompletions()
        .map((file) => `installed ${file}`)
        .join("\n"),
    );
  if (what === "uninstall") return removeCompletions();
  throw new BayError("BAD_OPTION", `completion for ${what} is not supported`, {
    hint: "expected bash, zsh, fish, install or uninstall",
  });
}

/** Writes the scripts to the directories that bash, zsh and fish search; returns the files. Throws NO_ACCESS. */
export function installCompletions(share = SHARE): string[] {
  return SHELLS.map((shell) => {
    const file = join(share, PLACES[shell]);
    try {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, SCRIPTS[shell]);
    } catch (cause) {
      throw new BayError("NO_ACCESS", `${file} cannot be written`, {
        cause,
        hint: `run it as root, or install the script yourself: bay completion ${shell}`,
      });
    }
    return file;
  });
}

export function removeCompletions(share = SHARE): void {
  for (const shell of SHELLS) rmSync(join(share, PLACES[shell]), { force: true });
}

/** Prints the candidates for the last word: WORD<tab>DESCRIPTION per line, then :files or :folders. */
export async function complete(
  program: Command,
  words: readonly string[],
  context: () => Context,
): Promise<void> {
  const [{ candidatesAt }, { namesFrom }] = await Promise.all([
    import("../../completion/candidates.ts"),
    import("../../completion/names.ts"),
  ]);
  const before = words.slice(0, -1);
  try {
    program.parseOptions([...before]); // -f and similar options select the stack
  } catch {
    // the last option has no value yet: the options before it are parsed
  }
  const { words: found, files } = await candidatesAt(program, before, words.at(-1) ?? "", namesFrom, context);
  const oneLine = (text: string) => text.replace(/\s+/g, " ");
  const lines = found.map(({ text, description = "" }) => `${text}\t${oneLine(description)}`);
  if (files !== "none") lines.push(`:${files}`);
  print(lines.join("\n"));
}
