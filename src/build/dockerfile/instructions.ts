/** The meaning of each instruction, with its flags and forms checked (Dockerfile reference). Variables are not replaced yet. */
import type { SourcePosition } from "../../core/diagnostics.ts";
import { BayError } from "../../core/errors.ts";
import { parseDuration } from "./duration.ts";
import { type FlagKind, Flags } from "./flags.ts";
import { type Heredoc, parseHeredoc } from "./heredoc.ts";
import type { Node } from "./parse.ts";

/** A command line, in shell form or exec form. */
export interface CommandLine {
  isShell: boolean;
  words: string[];
}

/** What COPY and ADD have in common. */
export interface Transfer {
  sources: string[];
  /** Sources whose text is in the Dockerfile itself. */
  heredocs: Heredoc[];
  target: string;
  chown: string | undefined;
  chmod: string | undefined;
  link: boolean;
  excludes: string[];
}

export interface Pair {
  key: string;
  value: string;
}

type Kinds =
  | {
      kind: "from";
      image: string;
      platform: string | undefined;
      as: string | undefined;
      /** The words AS and NAME as written. */
      asWritten: string[];
    }
  | {
      kind: "run";
      command: CommandLine;
      heredocs: Heredoc[];
      mounts: string[];
      network: "default" | "none" | "host";
      security: "sandbox" | "insecure";
    }
  | ({ kind: "copy"; from: string | undefined; parents: boolean } & Transfer)
  | ({
      kind: "add";
      checksum: string | undefined;
      keepGitDir: boolean;
      unpack: boolean | undefined;
    } & Transfer)
  | { kind: "arg"; args: { key: string; value: string | undefined }[] }
  | { kind: "env" | "label"; pairs: Pair[]; isOldForm: boolean }
  | { kind: "expose" | "volume"; values: string[] }
  | { kind: "user" | "stopsignal"; value: string }
  | { kind: "workdir"; value: string }
  | { kind: "maintainer"; value: string }
  | { kind: "shell"; words: string[] }
  | { kind: "cmd" | "entrypoint"; command: CommandLine }
  | { kind: "healthcheck"; check: HealthCheck }
  | { kind: "onbuild"; triggerText: string; trigger: Instruction };

export interface HealthCheck {
  /** Undefined disables the base image's check: NONE. */
  command: CommandLine | undefined;
  /** Nanoseconds; undefined for the value of the base image or the runtime. */
  interval: number | undefined;
  timeout: number | undefined;
  startPeriod: number | undefined;
  startInterval: number | undefined;
  retries: number | undefined;
}

export type Instruction = Kinds & {
  /** Its name as written. */
  written: string;
  /** Its text in the file, with its lines joined. */
  text: string;
  place: SourcePosition;
  endLine: number;
};

export type InstructionOf<K extends Instruction["kind"]> = Extract<Instruction, { kind: K }>;

const FLAGS: Record<string, Record<string, FlagKind>> = {
  from: { platform: "text" },
  run: { mount: "list", network: "text", security: "text" },
  copy: {
    from: "text",
    chown: "text",
    chmod: "text",
    link: "bool",
    parents: "bool",
    exclude: "list",
  },
  add: {
    chown: "text",
    chmod: "text",
    link: "bool",
    checksum: "text",
    "keep-git-dir": "bool",
    unpack: "bool",
    exclude: "list",
  },
  healthcheck: {
    interval: "text",
    timeout: "text",
    "start-period": "text",
    "start-interval": "text",
    retries: "text",
  },
};

const bad = (message: string, hint?: string) => new BayError("BAD_DOCKERFILE", message, hint ? { hint } : {});

/** Interprets an instruction. Throws BAD_DOCKERFILE. */
export function readInstruction(node: Node): Instruction {
  const read = READERS[node.name]!;
  const flags = new Flags(node.name.toUpperCase(), node.flags, FLAGS[node.name] ?? {});
  const { written, text, place, endLine } = node;
  return { ...read(node, flags), written, text, place, endLine };
}

/** Checks for an exact number of arguments, a minimum, or one. */
function needArgs({ name, args }: Node, least: number, most: number, form: string): void {
  if (args.length >= least && args.length <= most && args[0] !== "") return;
  const wanted = least === most ? `exactly ${least}` : `at least ${least}`;
  throw bad(
    `${name.toUpperCase()} needs ${wanted} argument${least === 1 ? "" : "s"}, got ${args.filter(Boolean).length}`,
    form,
  );
}

const commandOf = ({ args, isJson }: Node): CommandLine => ({ isShell: !isJson, words: args });

const single =
  (kind: "user" | "workdir" | "stopsignal" | "maintainer", form: string) =>
  (node: Node): Kinds => {
    needArgs(node, 1, 1, form);
    return { kind, value: node.args[0]! };
  };

const READERS: Record<string, (node: Node, flags: Flags) => Kinds> = {
  from: readFrom,
  run: readRun,
  copy: readCopy,
  add: readAdd,
  arg: readArg,
  env: (node) => readPairs(node, "env"),
  label: (node) => readPairs(node, "label"),
  expose: (node) => {
    needArgs(node, 1, Number.POSITIVE_INFINITY, "EXPOSE PORT[/PROTOCOL]…");
    return { kind: "expose", values: node.args };
  },
  volume: (node) => {
    needArgs(node, 1, Number.POSITIVE_INFINITY, 'VOLUME /PATH…, or VOLUME ["/PATH"]');
    if (node.args.some((path) => path.trim() === "")) throw bad("VOLUME: a path is empty");
    return { kind: "volume", values: node.args };
  },
  user: single("user", "USER NAME[:GROUP]"),
  workdir: single("workdir", "WORKDIR /PATH"),
  stopsignal: single("stopsignal", "STOPSIGNAL SIGNAL"),
  maintainer: single("maintainer", "MAINTAINER NAME"),
  shell: (node) => {
    if (!node.isJson) throw bad("SHELL needs an array", 'SHELL ["/bin/bash", "-c"]');
    needArgs(node, 1, Number.POSITIVE_INFINITY, 'SHELL ["/bin/bash", "-c"]');
    return { kind: "shell", words: node.args };
  },
  cmd: (node) => ({ kind: "cmd", command: commandOf(node) }),
  entrypoint: (node) => ({ kind: "entrypoint", command: commandOf(node) }),
  healthcheck: readHealthCheck,
  onbuild: readOnBuild,
};

const STAGE_NAME = /^[a-z][a-z0-9-_.]*$/;

function readFrom({ args }: Node, flags: Flags): Kinds {
  const form = "FROM IMAGE [AS NAME]";
  const [image = "", as, name] = args;
  if (args.length !== 1 && (args.length !== 3 || as!.toLowerCase() !== "as"))
    throw bad("FROM needs either one or three arguments", form);
  const stage = name?.toLowerCase();
  if (stage !== undefined && !STAGE_NAME.test(stage))
    throw bad(
      `invalid stage name ${JSON.stringify(name)}`,
      "use a letter, followed by letters, digits, - _ and .",
    );
  return {
    kind: "from",
    image,
    platform: flags.text("platform"),
    as: stage,
    asWritten: args.slice(1),
  };
}

function readRun(node: Node, flags: Flags): Kinds {
  const network = flags.text("network") ?? "default";
  const security = flags.text("security") ?? "sandbox";
  if (network !== "default" && network !== "none" && network !== "host")
    throw bad(`RUN --network expects default, none or host, got ${JSON.stringify(network)}`);
  if (security !== "sandbox" && security !== "insecure")
    throw bad(`RUN --security expects sandbox or insecure, got ${JSON.stringify(security)}`);
  if (node.args.length === 0) throw bad("RUN has no command");
  return {
    kind: "run",
    command: commandOf(node),
    heredocs: node.isJson ? [] : node.heredocs,
    mounts: flags.list("mount"),
    network,
    security,
  };
}

function readTransfer(node: Node, flags: Flags): Transfer {
  const name = node.name.toUpperCase();
  if (node.args.length < 2)
    throw bad(`${name} needs at least two arguments, got ${node.args.length}`, `${name} SOURCE… TARGET`);
  const words = node.args.slice(0, -1);
  const target = node.args.at(-1)!;
  if (parseHeredoc(target)) throw bad(`${name}: a here-document cannot be a target`);
  const heredocs: Heredoc[] = [];
  const sources: string[] = [];
  for (const word of words) {
    const begun = node.isJson ? undefined : parseHeredoc(word);
    const found = begun && node.heredocs.find((heredoc) => heredoc.name === begun.name);
    if (found) heredocs.push(found);
    else sources.push(word);
  }
  return {
    sources,
    heredocs,
    target,
    chown: flags.text("chown"),
    chmod: flags.text("chmod"),
    link: flags.bool("link"),
    excludes: flags.list("exclude"),
  };
}

function readCopy(node: Node, flags: Flags): Kinds {
  const transfer = readTransfer(node, flags);
  const from = flags.text("from");
  return { kind: "copy", ...transfer, from, parents: flags.bool("parents") };
}

function readAdd(node: Node, flags: Flags): Kinds {
  const transfer = readTransfer(node, flags);
  const checksum = flags.text("checksum");
  return {
    kind: "add",
    ...transfer,
    checksum,
    keepGitDir: flags.bool("keep-git-dir"),
    unpack: flags.list("unpack").length > 0 ? flags.bool("unpack") : undefined,
  };
}

function readArg(node: Node): Kinds {
  needArgs(node, 1, Number.POSITIVE_INFINITY, "ARG NAME[=DEFAULT]");
  const args = node.args.map((word) => {
    const at = word.indexOf("=");
    const key = at === -1 ? word : word.slice(0, at);
    if (key.trim() === "") throw bad("ARG: a name is empty", "ARG NAME[=DEFAULT]");
    return { key, value: at === -1 ? undefined : word.slice(at + 1) };
  });
  return { kind: "arg", args };
}

function readPairs(node: Node, kind: "env" | "label"): Kinds {
  needArgs(node, 1, Number.POSITIVE_INFINITY, `${node.name.toUpperCase()} NAME=VALUE`);
  const pairs: Pair[] = [];
  for (let at = 0; at < node.args.length; at += 3) {
    const key = node.args[at]!;
    if (key === "") throw bad(`${node.name.toUpperCase()}: a name is empty`);
    pairs.push({ key, value: node.args[at + 1]! });
  }
  return { kind, pairs, isOldForm: node.args[2] === "" };
}

function readHealthCheck(node: Node, flags: Flags): Kinds {
  const [type = "", ...words] = node.args;
  const form = "HEALTHCHECK [--interval=30s …] CMD COMMAND, or HEALTHCHECK NONE";
  const nothing = {
    interval: undefined,
    timeout: undefined,
    startPeriod: undefined,
    startInterval: undefined,
    retries: undefined,
  };
  if (type.toUpperCase() === "NONE") {
    if (words.length > 0 || node.flags.length > 0) throw bad("HEALTHCHECK NONE takes no arguments", form);
    return { kind: "healthcheck", check: { command: undefined, ...nothing } };
  }
  if (type.toUpperCase() !== "CMD")
    throw bad(
      type === "" ? "HEALTHCHECK has no arguments" : `HEALTHCHECK: unknown type ${JSON.stringify(type)}`,
      form,
    );
  if (words.length === 0) throw bad("HEALTHCHECK CMD has no command", form);
  const duration = (flag: string) => {
    const text = flags.text(flag);
    if (text === undefined) return undefined;
    const value = parseDuration(text, `HEALTHCHECK --${flag}`);
    if (value !== 0 && value < 1e6) throw bad(`HEALTHCHECK --${flag} must be at least one millisecond`);
    return value;
  };
  const retries = flags.text("retries");
  if (retries !== undefined && !/^\d+$/.test(retries))
    throw bad(`HEALTHCHECK --retries: expected a whole number, got ${JSON.stringify(retries)}`);
  return {
    kind: "healthcheck",
    check: {
      command: { isShell: !node.isJson, words },
      interval: duration("interval"),
      timeout: duration("timeout"),
      startPeriod: duration("start-period"),
      startInterval: duration("start-interval"),
      retries: retries === undefined ? undefined : Number(retries),
    },
  };
}

const NO_TRIGGERS = ["onbuild", "from", "maintainer"];

function readOnBuild(node: Node): Kinds {
  const { trigger } = node;
  if (!trigger) throw bad("ONBUILD has no instruction", "ONBUILD RUN make");
  if (NO_TRIGGERS.includes(trigger.name))
    throw bad(`${trigger.name.toUpperCase()} is not allowed after ONBUILD`);
  if (node.heredocs.length > 0) trigger.heredocs.push(...node.heredocs);
  return { kind: "onbuild", triggerText: triggerText(node), trigger: readInstruction(trigger) };
}

/** The form stored in the image, and parsed when another image is built from it. */
function triggerText({ args, heredocs }: Node): string {
  const documents = heredocs.map(({ content, name }) => `\n${content}${name}`);
  return args[0]! + documents.join("");
}
