/** Rules about single instructions, and duplicates in a stage. */
import type { Instruction } from "../dockerfile/instructions.ts";
import { findStage } from "../find-stage.ts";
import type { Stage } from "../stages.ts";
import type { Complain } from "./rules.ts";

const ONCE = ["cmd", "entrypoint", "healthcheck"];
/** Parts of names that indicate a secret, and those that indicate the opposite. */
const SECRET = /(?:^|_)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)/i;
const NOT_SECRET = /(?:^|_)public(?:_|$)/i;

export function checkInstructions(stage: Stage, stages: readonly Stage[], complain: Complain): void {
  const last = new Map<string, Instruction>();
  let hasShell = false;
  let hasWorkdir = startsInWorkdir(stage, stages);
  for (const instruction of stage.instructions) {
    const { kind, place, written } = instruction;
    if (ONCE.includes(kind)) {
      const before = last.get(kind);
      if (before)
        complain(
          "MultipleInstructionsDisallowed",
          `this ${before.written} has no effect, as another one follows in the stage`,
          before.place,
        );
      last.set(kind, instruction);
    }
    switch (instruction.kind) {
      case "shell":
        hasShell = true;
        break;
      case "maintainer":
        complain("MaintainerDeprecated", "MAINTAINER is deprecated; use a label", place);
        break;
      case "cmd":
      case "entrypoint":
        if (instruction.command.isShell && !hasShell)
          complain(
            "JSONArgsRecommended",
            `${written} runs in a shell, which does not forward signals; write an array`,
            place,
          );
        break;
      case "env":
      case "label":
        if (instruction.isOldForm)
          complain("LegacyKeyValueFormat", `write ${written} NAME=VALUE instead of NAME VALUE`, place);
        break;
      case "workdir": {
        const isAbsolute = /^[/$]/.test(instruction.value);
        if (!isAbsolute && !hasWorkdir)
          complain(
            "WorkdirRelativePath",
            `the relative path ${instruction.value} depends on the base image`,
            place,
          );
        hasWorkdir = true;
        break;
      }
    }
    for (const name of namesOf(instruction))
      if (SECRET.test(name) && !NOT_SECRET.test(name))
        complain(
          "SecretsUsedInArgOrEnv",
          `${name} seems to be a secret, which is visible in the image's history; use RUN --mount=type=secret`,
          place,
        );
  }
}

/** Whether a stage that this one is based on has set an absolute path. */
function startsInWorkdir({ from, index }: Stage, stages: readonly Stage[]): boolean {
  const base = findStage(stages, from.image, index);
  if (!base) return false;
  const isSet = base.instructions.some(
    ({ kind, ...rest }) => kind === "workdir" && "value" in rest && /^[/$]/.test(rest.value),
  );
  return isSet || startsInWorkdir(base, stages);
}

function namesOf(instruction: Instruction): string[] {
  if (instruction.kind === "env") return instruction.pairs.map(({ key }) => key);
  return instruction.kind === "arg" ? instruction.args.map(({ key }) => key) : [];
}

export function checkExpose({ instructions }: Stage, complain: Complain): void {
  for (const instruction of instructions) {
    if (instruction.kind !== "expose") continue;
    for (const value of instruction.values) {
      const [port = "", protocol] = value.split("/");
      if (protocol !== undefined && protocol !== protocol.toLowerCase())
        complain("ExposeProtoCasing", `the protocol ${protocol} is not in lower case`, instruction.place);
      if (port.includes(":") && !port.includes("${"))
        complain(
          "ExposeInvalidFormat",
          `${value} has an address or a port of the host, which EXPOSE does not support`,
          instruction.place,
        );
    }
  }
}
