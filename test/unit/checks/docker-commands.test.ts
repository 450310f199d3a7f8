/** docs/coming-from-docker.md has each command of docker (`npm run support`), and each option of docker run is known. */
import { readFileSync, writeFileSync } from "node:fs";
import type { Command } from "commander";
import { describe, expect, it } from "vitest";
import { build } from "../../../src/cli/program.ts";
import { RefusedOption } from "../../../src/cli/register/add.ts";
import { DOCKER_COMMANDS, RUN_FLAGS } from "../../support/docker-commands.ts";

const PAGE = "docs/coming-from-docker.md";
const COMMANDS = ["<!-- commands: written by npm run support -->\n", "<!-- end of commands -->"] as const;
const OPTIONS = ["<!-- options: written by npm run support -->\n", "<!-- end of options -->"] as const;

const program = build(() => {});

function commandOf(words: string): Command | undefined {
  let found: Command | undefined = program;
  for (const word of words.split(" ")) found = found?.commands.find((each) => each.name() === word);
  return found;
}

const containerRun = commandOf("container run")!;
const optionOf = (command: Command, flag: string) =>
  command.options.find(({ short, long }) => short === flag || long === flag);

function commandTable(): string {
  const rows = Object.entries(DOCKER_COMMANDS).map(
    ([docker, [bay, differs = ""]]) =>
      `| \`docker ${docker}\` | ${bay === "-" ? "" : `\`bay ${bay}\``} | ${differs} |`,
  );
  return `| Docker | bay | What differs |\n|---|---|---|\n${rows.join("\n")}\n`;
}

function optionTable(): string {
  const rows = RUN_FLAGS.flatMap((flag) => {
    const option = optionOf(containerRun, flag);
    return option instanceof RefusedOption ? [`| \`${flag}\` | ${option.reason} |`] : [];
  });
  return `| Option | Why it is refused |\n|---|---|\n${rows.join("\n")}\n`;
}

function filled(text: string, [begin, end]: readonly [string, string], table: string): string {
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  return `${text.slice(0, from + begin.length)}\n${table}\n${text.slice(to)}`;
}

const page = (text: string) => filled(filled(text, COMMANDS, commandTable()), OPTIONS, optionTable());

if (process.env.BAY_WRITE_SUPPORT) writeFileSync(PAGE, page(readFileSync(PAGE, "utf8")));

describe("docker's commands", () => {
  it("are what docs/coming-from-docker.md says (npm run support)", () => {
    const text = readFileSync(PAGE, "utf8");
    expect(text).toBe(page(text));
  });

  it.each(Object.entries(DOCKER_COMMANDS))("docker %s has a command of bay, or a reason", (_, [
    bay,
    differs,
  ]) => {
    if (bay === "-") expect(differs).toBeTruthy();
    else expect(commandOf(bay)?.name()).toBe(bay.split(" ").at(-1));
  });
});

describe("the options of docker run", () => {
  it.each(RUN_FLAGS)("%s is an option of bay container run, or refused with a reason", (flag) => {
    if (flag === "--help") return;
    const option = optionOf(containerRun, flag);
    expect(option).toBeDefined();
    if (option instanceof RefusedOption) expect(option.reason).not.toBe("");
  });

  it.each(RUN_FLAGS)("%s is known to bay run, for an image", (flag) => {
    // these have another meaning for services: -h is help, -c and -a are not there
    if (["--help", "--hostname", "-h", "--attach", "-a", "--sig-proxy", "--publish-all"].includes(flag))
      return;
    expect(optionOf(commandOf("run")!, flag)).toBeDefined();
  });
});
