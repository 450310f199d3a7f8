/** Manual pages (man(7)), generated from the commands. Pure. */
import type { Argument, Command, Option } from "commander";

/** Text escaped for roff: without escapes, and without a request at the beginning of a line. */
export const roff = (text: string): string =>
  text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(/^([.'])/gm, "\\&$1");

const bold = (text: string) => `\\fB${roff(text)}\\fR`;
const italic = (text: string) => `\\fI${roff(text)}\\fR`;

/** `-f, --file <file>` with the words bold and the values in italics. */
const flagsOf = (flags: string): string =>
  flags
    .split(/( |, )/)
    .map((word) => (/^-/.test(word) ? bold(word) : /^[<[]/.test(word) ? italic(word) : word))
    .join("");

function optionText(option: Option): string {
  const { argChoices: choices, defaultValue, envVar } = option;
  const notes = [
    ...(choices ? [`one of ${choices.join(", ")}`] : []),
    ...(typeof defaultValue === "string" || typeof defaultValue === "number"
      ? [`default: ${defaultValue}`]
      : []),
    ...(envVar ? [`also set by the variable ${envVar}`] : []),
  ];
  const text = [option.description, ...(notes.length > 0 ? [`(${notes.join("; ")})`] : [])].join(" ").trim();
  return `.TP\n${flagsOf(option.flags)}\n${roff(text) || "\\&"}\n`;
}

const shownOptions = (command: Command) => command.options.filter((option) => !option.hidden);

function argumentWord(argument: Argument): string {
  const word = `${argument.name()}${argument.variadic ? "..." : ""}`;
  return argument.required ? `<${word}>` : `[${word}]`;
}

const usageOf = (path: string, command: Command): string =>
  [
    bold(path),
    ...(shownOptions(command).length > 0 ? ["[options]"] : []),
    ...command.registeredArguments.map((argument) => italic(argumentWord(argument))),
  ].join(" ");

const sentence = (text: string) => (text === "" ? "" : `${text[0]!.toUpperCase()}${text.slice(1)}.`);

function header(name: string, description: string): string {
  return `.\\" Made by npm run man; do not edit.
.TH "${name.toUpperCase().replaceAll(" ", "\\-")}" "1" "" "bay" "Commands of bay"
.SH NAME
${roff(name.replaceAll(" ", "-"))} \\- ${roff(description)}
`;
}

function optionsSection(command: Command): string {
  const options = shownOptions(command);
  return options.length === 0 ? "" : `.SH OPTIONS\n${options.map(optionText).join("")}`;
}

/** The page of one command: `bay-up.1`; a group's page has its commands as sections. */
export function commandPage(command: Command): string {
  const path = `bay ${command.name()}`;
  const parts = [header(path, command.description())];
  if (command.commands.length === 0)
    parts.push(
      `.SH SYNOPSIS\n${usageOf(path, command)}\n`,
      `.SH DESCRIPTION\n${roff(sentence(command.description()))}\n`,
    );
  else
    parts.push(
      `.SH SYNOPSIS\n${bold(path)} ${italic("command")}\n.SH COMMANDS\n`,
      ...command.commands.map(
        (sub) =>
          `.SS ${usageOf(`${path} ${sub.name()}`, sub)}\n${roff(sentence(sub.description()))}\n${shownOptions(sub).map(optionText).join("")}`,
      ),
    );
  parts.push(optionsSection(command), ".SH SEE ALSO\n.BR bay (1)\n");
  return parts.join("");
}

const ENVIRONMENT: readonly (readonly [string, string])[] = [
  ["BAY_ROOT, BAY_RUN", "As --root and --run."],
  ["BAY_CONFIG", "The directory of daemon.json and registries.json; /etc/bay by default."],
  ["BAY_DEBUG", "Errors are printed with a stack trace."],
  ["NO_COLOR", "No colours."],
  ["COMPOSE_FILE, COMPOSE_PROJECT_NAME, COMPOSE_PROFILES", "As -f, -p and --profile."],
  [
    "HTTP_PROXY, HTTPS_PROXY, NO_PROXY",
    "Proxies for registries; bayd inherits them from the command that starts it.",
  ],
];

const FILES: readonly (readonly [string, string])[] = [
  ["bay.yaml, compose.yaml", "The stack file, in this directory or one of its parents."],
  ["/var/lib/bay", "Images, volumes, logs and the state."],
  ["/run/bay/bay.sock", "The socket of bayd: the Docker Engine API."],
  ["/etc/bay/daemon.json", "Settings of bayd."],
];

const list = (rows: readonly (readonly [string, string])[]) =>
  rows.map(([name, text]) => `.TP\n${bold(name)}\n${roff(text)}\n`).join("");

/** The page of the program, bay.1. */
export function programPage(program: Command): string {
  const rows = program.commands.map(
    (command) => `.TP\n\\fBbay\\-${roff(command.name())}\\fR(1)\n${roff(sentence(command.description()))}\n`,
  );
  return [
    header("bay", "stacks of containers from one YAML file"),
    `.SH SYNOPSIS\n${bold("bay")} [options] ${italic("command")} [options of the command]\n`,
    `.SH DESCRIPTION\n${roff(program.description())}\n`,
    optionsSection(program),
    `.SH COMMANDS\n${rows.join("")}`,
    ".SH EXIT STATUS\n.TP\n0\nSuccess.\n.TP\n1\nAn error, which is on standard error.\n.TP\n2\nbay plan \\-\\-detailed\\-exitcode: there are changes.\n.TP\n78\nbay daemon run: the settings or the state are not valid for this version.\n.PP\nexec, run and wait give the exit code of what they ran.\n",
    `.SH ENVIRONMENT\n${list(ENVIRONMENT)}`,
    `.SH FILES\n${list(FILES)}`,
  ].join("");
}

/** All pages, by file name. */
export function manPages(program: Command): Map<string, string> {
  return new Map([
    ["bay.1", programPage(program)],
    ...program.commands.map((command) => [`bay-${command.name()}.1`, commandPage(command)] as const),
  ]);
}
