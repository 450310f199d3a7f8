/** BuildKit's build checks by their names, and which of them a file enables (`# check=…`). */
import { type Diagnostic, nearest, type SourcePosition } from "../../core/diagnostics.ts";

/** A rule by name, with its requirement. */
export const RULES = {
  StageNameCasing: "names of stages should be in lower case",
  FromAsCasing: "FROM and AS should have the same case",
  NoEmptyContinuation: "a continued instruction should have no empty lines",
  ConsistentInstructionCasing: "all instructions should have the same case",
  DuplicateStageName: "names of stages should be unique",
  ReservedStageName: "stages should not be named scratch or context",
  JSONArgsRecommended:
    "CMD and ENTRYPOINT should be arrays, so that signals reach the program and not a shell",
  MaintainerDeprecated: "a label should replace MAINTAINER, which is deprecated",
  UndefinedArgInFrom: "arguments used by FROM should be declared by an ARG before it",
  WorkdirRelativePath: "the first WORKDIR should be absolute, so that it does not depend on the base image",
  UndefinedVar: "variables should be set before they are used",
  MultipleInstructionsDisallowed:
    "a stage should have one CMD, ENTRYPOINT and HEALTHCHECK; only the last has an effect",
  LegacyKeyValueFormat: "ENV and LABEL should be written as NAME=VALUE",
  RedundantTargetPlatform: "--platform should not repeat the default",
  SecretsUsedInArgOrEnv: "ARG and ENV should not hold secrets, which are visible in the image's history",
  InvalidDefaultArgInFrom: "FROM should be valid with the default values of its arguments",
  FromPlatformFlagConstDisallowed:
    "--platform of FROM should be a variable, so that the image can be built for other platforms",
  CopyIgnoredFile: "copied files should not be excluded by the ignore file",
  InvalidDefinitionDescription: "a comment above a stage or an argument should begin with its name",
  ExposeProtoCasing: "protocols of EXPOSE should be in lower case",
  ExposeInvalidFormat: "EXPOSE should name ports of the container only",
} as const;

export type RuleName = keyof typeof RULES;

/** Only if `experimental=` enables them. */
const EXPERIMENTAL: readonly RuleName[] = ["InvalidDefinitionDescription"];

export interface CheckOptions {
  isSkipped: (rule: RuleName) => boolean;
  /** A warning fails the build. */
  failsBuild: boolean;
}

/**
 * The directive `# check=skip=RULE,…;error=true;experimental=RULE,…`, in which `all` means every rule. Reports BAD_CHECK
 * for invalid text.
 */
export function readCheckOptions(text: string | undefined, bad: (message: string) => void): CheckOptions {
  const lists = { skip: new Set<string>(), experimental: new Set<string>() };
  let failsBuild = false;
  for (const part of (text ?? "").split(";").filter((each) => each.trim() !== "")) {
    const [key = "", value = ""] = part.split(/=(.*)/s).map((word) => word.trim());
    if (key === "error") {
      if (!/^(true|false|1|0)$/i.test(value))
        bad(`check: error expects true or false, got ${JSON.stringify(value)}`);
      failsBuild = /^(true|1)$/i.test(value);
    } else if (key === "skip" || key === "experimental") {
      for (const rule of value.split(",").map((word) => word.trim())) {
        if (rule !== "all" && !Object.hasOwn(RULES, rule)) bad(unknownRule(rule));
        lists[key].add(rule);
      }
    } else bad(`check: unknown option ${JSON.stringify(key)}; expected skip, error or experimental`);
  }
  const names = (list: ReadonlySet<string>, rule: RuleName) => list.has("all") || list.has(rule);
  return {
    isSkipped: (rule) =>
      names(lists.skip, rule) || (EXPERIMENTAL.includes(rule) && !names(lists.experimental, rule)),
    failsBuild,
  };
}

function unknownRule(rule: string): string {
  const close = nearest(rule, Object.keys(RULES));
  return `check: unknown rule ${JSON.stringify(rule)}${close ? `; did you mean ${close}?` : ""}`;
}

/** Reports the violation of a rule. */
export type Complain = (rule: RuleName, message: string, place: SourcePosition) => void;

export function complainer(
  { isSkipped, failsBuild }: CheckOptions,
  say: (diagnostic: Diagnostic) => void,
): Complain {
  return (rule, message, place) => {
    if (isSkipped(rule)) return;
    const severity = failsBuild ? "error" : "warning";
    say({ severity, code: rule, message: `${rule}: ${message}`, place });
  };
}
