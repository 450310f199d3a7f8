/** Every command and flag of docker compose is accepted, or refused by name with the reason. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { describe, expect, it } from "vitest";
import { build } from "../../../src/cli/program.ts";
import { REFUSED_COMMANDS, RefusedOption } from "../../../src/cli/register/add.ts";
import { COMPOSE_FLAGS, commandOf, composeFlags, flagsTable, optionOf } from "../../support/compose-flags.ts";

const PAGE = resolve("docs/coming-from-compose.md");
const BEGIN = "<!-- flags: written by npm run support -->\n";
const END = "<!-- end of flags -->";

/** The source of the commands and of the program, where each option that is accepted has to be read. */
const sources = ["src/cli/commands", "src/cli"]
  .flatMap((folder) =>
    readdirSync(folder, { encoding: "utf8", recursive: folder === "src/cli/commands" })
      .filter((name) => name.endsWith(".ts"))
      .map((name) => readFileSync(join(folder, name), "utf8")),
  )
  .concat(readFileSync("src/cli/register/add.ts", "utf8"))
  .join("\n");

/** Options that ask for what a command does anyway. */
const DEFAULTS = new Set([
  "yes", // bay asks nothing there
  "interactive", // input is open
  "all", // rm: one-off containers are counted
  "orphans",
]);

const fresh = () => build(() => {});

/** Parses only: the actions are taken away, and nothing is printed. */
async function parseOnly(args: string[]): Promise<unknown> {
  const program = fresh();
  const quiet = (command: Command): void => {
    command.configureOutput({ writeErr: () => {}, writeOut: () => {} });
    command.exitOverride();
    if (!REFUSED_COMMANDS.has(command.name()) && command.commands.length === 0) command.action(() => {});
    command.commands.forEach(quiet);
  };
  quiet(program);
  try {
    await program.parseAsync(args, { from: "user" });
    return undefined;
  } catch (error) {
    return error;
  }
}

const ARGUMENTS: Record<string, string[]> = {
  "": ["ps"],
  attach: ["web"],
  commit: ["web"],
  cp: ["a", "b:/c"],
  exec: ["web", "true"],
  export: ["web"],
  port: ["web", "80"],
  publish: ["name"],
  run: ["web"],
  scale: ["web=1"],
  wait: ["web"],
};

const VALUES: Record<string, string> = {
  "--ansi": "never",
  "--progress": "plain",
  "--parallel": "2",
  "--pull": "always",
  "--policy": "missing",
  "--format": "json",
  "-f": "json",
  "--sig-proxy": "false",
  "--index": "1",
  "--timeout": "1",
  "-t": "1",
  "--wait-timeout": "1",
  "--provenance": "false",
  "--sbom": "false",
  "--oci-version": "1.1",
};

describe("the command line of docker compose", () => {
  const program = fresh();

  it("has no command that bay does not know", () => {
    expect(Object.keys(COMPOSE_FLAGS).filter((name) => !commandOf(program, name))).toEqual([]);
  });

  it.each([...REFUSED_COMMANDS])("%s is refused by name: %s", async (name, reason) => {
    expect(await parseOnly([name, "words", "--any", "-x"])).toMatchObject({
      code: "UNSUPPORTED_COMMAND",
      message: `bay ${name} is not supported: ${reason}`,
    });
  });

  it.each(
    composeFlags().map(({ command, flag, takesValue }) => [command, flag, takesValue] as const),
  )("%s %s is accepted or refused by name", async (name, flag, takesValue) => {
    const command = commandOf(program, name)!;
    const option = optionOf(command, flag);
    expect(option, `bay ${name} has no ${flag}`).toBeDefined();
    const words = takesValue ? [flag, VALUES[flag] ?? "x"] : [flag];
    const args = ARGUMENTS[name] ?? [];
    const error = await parseOnly(name === "" ? [...words, ...args] : [name, ...words, ...args]);
    if (option instanceof RefusedOption) {
      expect(error).toMatchObject({ code: "UNSUPPORTED_OPTION" });
      expect((error as Error).message).toContain(option.reason);
    } else if (name !== "" || (flag !== "-v" && flag !== "--version")) expect(error).toBeUndefined();
    else expect(error).toMatchObject({ code: "commander.version" });
    expect(option!.required || option!.optional).toBe(takesValue);
  });

  it("has no option that no command reads", () => {
    const unread: string[] = [];
    for (const command of program.commands.flatMap((one) => [one, ...one.commands]))
      for (const option of command.options) {
        const name = option.attributeName();
        if (option instanceof RefusedOption || DEFAULTS.has(name)) continue;
        if (!new RegExp(`\\b${name}\\b`).test(sources)) unread.push(`${command.name()} ${option.flags}`);
      }
    expect(unread).toEqual([]);
  });

  it("is in docs/coming-from-compose.md as it is", () => {
    const table = flagsTable(program, REFUSED_COMMANDS);
    const page = readFileSync(PAGE, "utf8");
    const [before = "", rest = ""] = page.split(BEGIN);
    const after = rest.slice(rest.indexOf(END));
    const expected = `${before}${BEGIN}${table}${after}`;
    if (process.env.BAY_WRITE_SUPPORT) writeFileSync(PAGE, expected);
    expect(readFileSync(PAGE, "utf8")).toBe(expected);
  });
});
