/** The effects of instructions on an image's config: everything in a Dockerfile that touches no files. */
import { posix } from "node:path";
import { BayError } from "../core/errors.ts";
import { signalNumber } from "../core/signals.ts";
import type { RunConfig } from "../image/index.ts";
import type { CommandLine, HealthCheck, InstructionOf } from "./dockerfile/instructions.ts";
import { expand, type WordOptions } from "./dockerfile/words.ts";

export type MetaInstruction = InstructionOf<
  | "env"
  | "label"
  | "expose"
  | "volume"
  | "user"
  | "workdir"
  | "stopsignal"
  | "shell"
  | "cmd"
  | "entrypoint"
  | "healthcheck"
  | "onbuild"
>;

const META = [
  "env",
  "label",
  "expose",
  "volume",
  "user",
  "workdir",
  "stopsignal",
  "shell",
  "cmd",
  "entrypoint",
  "healthcheck",
  "onbuild",
];
export const isMeta = (instruction: { kind: string }): instruction is MetaInstruction =>
  META.includes(instruction.kind);

export interface ConfigScope {
  /** The value of a variable: ENV overrides ARG. */
  lookup: (name: string) => string | undefined;
  options: WordOptions;
  /** The stage has set CMD itself, so a later ENTRYPOINT keeps it. */
  hasOwnCommand: boolean;
}

const DEFAULT_SHELL = ["/bin/sh", "-c"];

/** The words to execute, for a command line in either form. */
export function commandWords(config: RunConfig, { isShell, words }: CommandLine): string[] {
  return isShell ? [...(config.Shell ?? DEFAULT_SHELL), ...words] : words;
}

/** The config after an instruction. Throws BAD_DOCKERFILE and BAD_WORD. */
export function applyToConfig(
  config: RunConfig,
  instruction: MetaInstruction,
  scope: ConfigScope,
): RunConfig {
  const text = (source: string) => expand(source, scope.lookup, scope.options).text;
  switch (instruction.kind) {
    case "env":
      return {
        ...config,
        Env: instruction.pairs.reduce(
          (env, { key, value }) => setVariable(env, text(key), text(value)),
          config.Env ?? [],
        ),
      };
    case "label": {
      const added = instruction.pairs.map(({ key, value }) => [text(key), text(value)] as const);
      return { ...config, Labels: { ...config.Labels, ...Object.fromEntries(added) } };
    }
    case "expose": {
      const words = instruction.values.flatMap((value) => expand(value, scope.lookup, scope.options).words);
      const ports = words.flatMap(exposedPorts).map((port) => [port, {}] as const);
      return { ...config, ExposedPorts: { ...config.ExposedPorts, ...Object.fromEntries(ports) } };
    }
    case "volume": {
      const paths = instruction.values.map((value) => [text(value), {}] as const);
      return { ...config, Volumes: { ...config.Volumes, ...Object.fromEntries(paths) } };
    }
    case "user":
      return { ...config, User: text(instruction.value) };
    case "workdir":
      return { ...config, WorkingDir: workingDirectory(config, text(instruction.value)) };
    case "stopsignal": {
      const signal = text(instruction.value);
      if (signalNumber(signal) === undefined)
        throw new BayError("BAD_DOCKERFILE", `STOPSIGNAL: invalid signal ${JSON.stringify(signal)}`);
      return { ...config, StopSignal: signal };
    }
    case "shell":
      return { ...config, Shell: instruction.words };
    case "cmd":
      return { ...config, Cmd: commandWords(config, instruction.command) };
    case "entrypoint": {
      const entrypoint = commandWords(config, instruction.command);
      return { ...config, Entrypoint: entrypoint, ...(scope.hasOwnCommand ? {} : { Cmd: null }) };
    }
    case "healthcheck":
      return { ...config, Healthcheck: healthOf(instruction.check) };
    case "onbuild":
      return { ...config, OnBuild: [...(config.OnBuild ?? []), instruction.triggerText] };
  }
}

/** If two have the same name, the later value is used at the place of the first. */
export function setVariable(env: readonly string[], key: string, value: string): string[] {
  const at = env.findIndex((entry) => entry.startsWith(`${key}=`));
  const entry = `${key}=${value}`;
  return at === -1 ? [...env, entry] : env.with(at, entry);
}

/** An absolute path; a relative one is resolved in the previous working directory. */
export function workingDirectory({ WorkingDir }: RunConfig, path: string): string {
  if (path === "") throw new BayError("BAD_DOCKERFILE", "WORKDIR: the path is empty");
  const joined = posix.join("/", path.startsWith("/") ? "" : (WorkingDir ?? ""), path);
  return joined.length > 1 ? joined.replace(/\/+$/, "") : joined;
}

/**
 * Converts `80`, `53/udp` and `8000-8010` to the config's form; of `127.0.0.1:8080:80` only the last port is used. Throws
 * BAD_DOCKERFILE.
 */
function exposedPorts(written: string): string[] {
  const text = written.replace(/^(?:\[[^\]]*\]|[^:]*)?:(?:[\d-]*:)?(?=\d)/, "");
  const [, first = "", last, protocol = "tcp"] = /^(\d+)(?:-(\d+))?(?:\/([a-zA-Z]+))?$/.exec(text) ?? [];
  const [from, to] = [Number(first), Number(last ?? first)];
  if (first === "" || from > 65535 || to > 65535 || to < from)
    throw new BayError("BAD_DOCKERFILE", `EXPOSE: invalid port ${JSON.stringify(text)}`, {
      hint: "for example 80, 53/udp or 8000-8010",
    });
  if (!["tcp", "udp", "sctp"].includes(protocol.toLowerCase()))
    throw new BayError("BAD_DOCKERFILE", `EXPOSE: invalid protocol ${JSON.stringify(protocol)}`, {
      hint: "expected tcp, udp or sctp",
    });
  return Array.from({ length: to - from + 1 }, (_, index) => `${from + index}/${protocol.toLowerCase()}`);
}

function healthOf(check: HealthCheck): NonNullable<RunConfig["Healthcheck"]> {
  const { command, interval, timeout, startPeriod, startInterval, retries } = check;
  if (!command) return { Test: ["NONE"] };
  return {
    Test: [command.isShell ? "CMD-SHELL" : "CMD", ...command.words],
    ...(interval ? { Interval: interval } : {}),
    ...(timeout ? { Timeout: timeout } : {}),
    ...(startPeriod ? { StartPeriod: startPeriod } : {}),
    ...(startInterval ? { StartInterval: startInterval } : {}),
    ...(retries ? { Retries: retries } : {}),
  };
}
