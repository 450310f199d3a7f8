/** Commands that hints, messages and the documentation name exist, with the options that they name. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { describe, expect, it } from "vitest";
import { build } from "../../../src/cli/program.ts";

const program = build(() => {});

/** `bay`, and the rest of the command up to the end of the string, the sentence or the shell command. */
const NAMED = /(?<![\w./-])bay ((?:--?[a-z]|[a-z])[^"`'\n;|&#,()<>…]*)/g;
const OPTION = /^(-[a-zA-Z]|--[a-z][a-z-]*)(?:=.*)?$/;
/** Generated from the commands themselves. */
const GENERATED = new Set(["docs/commands.md", "docs/coming-from-compose.md"]);

const filesBelow = (folder: string, ending: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name))
    .filter((name) => !GENERATED.has(name));

const childOf = (command: Command, name: string) =>
  command.commands.find((each) => each.name() === name || each.aliases().includes(name));

const optionOf = (command: Command, flag: string) =>
  command.options.find((each) => each.short === flag || each.long === flag);

/** The first option or command that does not exist; undefined where the words begin no command. */
function unknownOption(text: string): string | undefined {
  let command: Command = program;
  const words = text.trim().split(/\s+/);
  for (let index = 0; index < words.length; index++) {
    const word = words[index]!;
    const option = OPTION.exec(word)?.[1];
    if (option === undefined) {
      const child = childOf(command, word);
      if (child === undefined && command === program) return undefined;
      if (child === undefined && command.commands.length > 0)
        return /^[a-z-]+$/.test(word) ? word : undefined;
      command = child ?? command;
      if (child === undefined && PASSES_ON.has(command.name())) return undefined;
    } else {
      const known = optionOf(command, option);
      if (known === undefined) return command.commands.length > 0 && command === program ? undefined : option;
      if (known.required && !word.includes("=")) index++;
    }
  }
  return undefined;
}

/** After the name of a service, the words are of the command inside the container. */
const PASSES_ON = new Set(["run", "exec"]);

function faults(file: string, text: string): string[] {
  return text.split("\n").flatMap((line, index) =>
    [...line.matchAll(NAMED)].flatMap(([whole, rest]) => {
      const unknown = unknownOption(rest!);
      return unknown === undefined || unknown === "--help" || unknown === "-h"
        ? []
        : [`${file}:${index + 1}: ${whole}: ${unknown} is unknown`];
    }),
  );
}

describe("commands that are named", () => {
  it("in src exist, with their options", () => {
    const files = filesBelow("src", ".ts");
    expect(files.length).toBeGreaterThan(100);
    expect(files.flatMap((file) => faults(file, readFileSync(file, "utf8")))).toEqual([]);
  });

  it("in README.md and docs exist, with their options", () => {
    const files = ["README.md", ...filesBelow("docs", ".md")];
    expect(files.flatMap((file) => faults(file, readFileSync(file, "utf8")))).toEqual([]);
  });
});
