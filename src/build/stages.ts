/** A Dockerfile's stages: the base and the instructions of each; and the ARGs before the first. */
import type { Diagnostic, SourcePosition } from "../core/diagnostics.ts";
import { BayError } from "../core/errors.ts";
import { type Instruction, type InstructionOf, readInstruction } from "./dockerfile/instructions.ts";
import type { Directives } from "./dockerfile/lines.ts";
import { parseDockerfile } from "./dockerfile/parse.ts";
import { findStage } from "./find-stage.ts";
import { lint } from "./lint/lint.ts";

export interface Stage {
  index: number;
  from: InstructionOf<"from">;
  instructions: Exclude<Instruction, { kind: "from" }>[];
}

export interface Dockerfile {
  file: string;
  source: string;
  directives: Directives;
  emptyContinuations: SourcePosition[];
  /** ARG before the first FROM. */
  globals: InstructionOf<"arg">[];
  stages: Stage[];
}

/** Reports every problem in the file; the result is used only if there are none. */
export function readDockerfile(
  source: string,
  file: string,
  say: (diagnostic: Diagnostic) => void,
): Dockerfile {
  const { directives, emptyContinuations, nodes } = parseDockerfile(source, file, say);
  const globals: InstructionOf<"arg">[] = [];
  const stages: Stage[] = [];
  // instructions after an invalid FROM are not errors themselves
  let hasBadFrom = false;
  for (const node of nodes) {
    try {
      const instruction = readInstruction(node);
      if (instruction.kind === "from") {
        stages.push({ index: stages.length, from: instruction, instructions: [] });
      } else if (stages.length > 0) stages.at(-1)!.instructions.push(instruction);
      else if (instruction.kind === "arg") globals.push(instruction);
      else if (!hasBadFrom)
        throw new BayError("BAD_DOCKERFILE", `${node.name.toUpperCase()} appears before the first FROM`, {
          hint: "only ARG is allowed there",
        });
    } catch (error) {
      if (!(error instanceof BayError)) throw error;
      hasBadFrom ||= node.name === "from";
      const { code, message, hint } = error;
      say({ severity: "error", code, message, ...(hint ? { hint } : {}), place: node.place });
    }
  }
  if (stages.length === 0 && nodes.length > 0 && !hasBadFrom)
    say({
      severity: "error",
      code: "BAD_DOCKERFILE",
      message: "the Dockerfile has no FROM",
      place: nodes[0]!.place,
    });
  const dockerfile = { file, source, directives, emptyContinuations, globals, stages };
  lint(dockerfile, say);
  return dockerfile;
}

/** The stage that a build ends with. Throws UNKNOWN_TARGET. */
export function targetStage({ stages, file }: Dockerfile, target: string | undefined): Stage {
  if (target === undefined || target === "") return stages.at(-1)!;
  const found = findStage(stages, target, stages.length);
  if (found) return found;
  const names = stages.map(({ from, index }) => from.as ?? String(index));
  throw new BayError("UNKNOWN_TARGET", `${file} has no stage ${JSON.stringify(target)}`, {
    hint:
      stages.length === 1 && stages[0]!.from.as === undefined
        ? "the Dockerfile has one unnamed stage"
        : names.length === 1
          ? `its only stage is ${names[0]}`
          : `expected one of ${names.join(", ")}`,
  });
}
