/** The rules of BuildKit's build checks, by the names that it has for them, and which of them a file wants (`# check=…`). */
import { type Diagnostic, nearest, type SourcePosition } from "../../core/diagnostics.ts";

/** A rule by name, with what it asks for. */
export const RULES = {
  StageNameCasing: "names of stages are in small letters",
  FromAsCasing: "FROM and AS are in the same case",
  NoEmptyContinuation: "no empty line stands in a continued instruction",
  ConsistentInstructionCasing: "all instructions are in the same case",
  DuplicateStageName: "no two stages have one name",
  ReservedStageName: "no stage is called scratch or context",
  JSONArgsRecommended: "CMD and ENTRYPOINT are arrays, so that signals reach the program and no shell",
  MaintainerDeprecated: "a label says who maintains it, and no MAINTAINER",
  UndefinedArgInFrom: "FROM uses arguments that an ARG before it declares",
  WorkdirRelativePath: "the first WORKDIR is absolute, and does not depend on the base's",
  UndefinedVar: "variables that are used are set",
  MultipleInstructionsDisallowed:
    "a stage has one CMD, one ENTRYPOINT and one HEALTHCHECK; only the last counts",
  LegacyKeyValueFormat: "ENV and LABEL are written NAME=VALUE",
  RedundantTargetPlatform: "--platform does not say what holds anyway",
  SecretsUsedInArgOrEnv: "ARG and ENV hold no secrets, which the image's history would show",
  InvalidDefaultArgInFrom: "the defaults of arguments give FROM an image's name",
  FromPlatformFlagConstDisallowed: "--platform of FROM is a variable, so that the image can be for others",
  CopyIgnoredFile: "what is copied is not left out by the ignore file",
  InvalidDefinitionDescription: "a comment above a stage or an argument describes it by its name",
  ExposeProtoCasing: "protocols of EXPOSE are in small letters",
  ExposeInvalidFormat: "EXPOSE names ports of the container alone",
} as const;

export type RuleName = keyof typeof RULES;

/** Only where `experimental=` asks for them. */
const EXPERIMENTAL: readonly RuleName[] = ["InvalidDefinitionDescription"];

export interface CheckOptions {
  isSkipped: (rule: RuleName) => boolean;
  /** A warning fails the build. */
  failsBuild: boolean;
}

/**
 * The directive `# check=skip=RULE,…;error=true;experimental=RULE,…`, in which `all` names every rule. Says BAD_CHECK of
 * what cannot be read.
 */
export function readCheckOptions(text: string | undefined, bad: (message: string) => void): CheckOptions {
  const lists = { skip: new Set<string>(), experimental: new Set<string>() };
  let failsBuild = false;
  for (const part of (text ?? "").split(";").filter((each) => each.trim() !== "")) {
    const [key = "", value = ""] = part.split(/=(.*)/s).map((word) => word.trim());
    if (key === "error") {
      if (!/^(true|false|1|0)$/i.test(value))
        bad(`check: error is true or false, not ${JSON.stringify(value)}`);
      failsBuild = /^(true|1)$/i.test(value);
    } else if (key === "skip" || key === "experimental") {
      for (const rule of value.split(",").map((word) => word.trim())) {
        if (rule !== "all" && !Object.hasOwn(RULES, rule)) bad(unknownRule(rule));
        lists[key].add(rule);
      }
    } else bad(`check: there is no option ${JSON.stringify(key)}; there are skip, error and experimental`);
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
  return `check: there is no rule ${JSON.stringify(rule)}${close ? `; did you mean ${close}?` : ""}`;
}

/** Says that a rule is broken. */
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
