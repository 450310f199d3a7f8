/** Rules about stages, the case of instructions, and comments. */
import type { Instruction } from "../dockerfile/instructions.ts";
import type { Dockerfile } from "../stages.ts";
import type { Complain } from "./rules.ts";

const RESERVED = ["context", "scratch"];
const isLower = (text: string) => text === text.toLowerCase();
const isUpper = (text: string) => text === text.toUpperCase();

export function allInstructions({ globals, stages }: Dockerfile): Instruction[] {
  return [...globals, ...stages.flatMap(({ from, instructions }) => [from, ...instructions])];
}

/** Instructions should have the case that most have, and AS that of FROM. */
export function checkCasing(dockerfile: Dockerfile, complain: Complain): void {
  const all = allInstructions(dockerfile);
  const lower = all.filter(({ written }) => isLower(written)).length;
  const upper = all.filter(({ written }) => isUpper(written)).length;
  const [wanted, isRight] = lower > upper ? (["small", isLower] as const) : (["capital", isUpper] as const);
  for (const { written, place } of all)
    if (!isRight(written))
      complain(
        "ConsistentInstructionCasing",
        `${written} is not in ${wanted} case, unlike most instructions`,
        place,
      );
  for (const { from } of dockerfile.stages) {
    const [as] = from.asWritten;
    if (as !== undefined && isLower(as) !== isLower(from.written))
      complain("FromAsCasing", `${as} and ${from.written} are not in the same case`, from.place);
  }
}

export function checkStages({ stages }: Dockerfile, complain: Complain): void {
  const seen = new Set<string>();
  for (const { from } of stages) {
    const { as, asWritten, place } = from;
    if (as === undefined) continue;
    const [, name = ""] = asWritten;
    if (!isLower(name)) complain("StageNameCasing", `the stage ${name} is not in lower case`, place);
    if (seen.has(as))
      complain("DuplicateStageName", `two stages are named ${as}; the last one is used`, place);
    if (RESERVED.includes(as))
      complain("ReservedStageName", `${as} is reserved and cannot be the name of a stage`, place);
    seen.add(as);
  }
}

/** The comment directly above a stage or an argument, if there is one. */
export function checkDescriptions(dockerfile: Dockerfile, complain: Complain): void {
  const lines = dockerfile.source.split("\n");
  for (const instruction of allInstructions(dockerfile)) {
    const names = namesOf(instruction);
    const above = /^\s*#\s*(.*)$/.exec(lines[instruction.place.line - 2] ?? "")?.[1];
    // a parser directive is not a comment
    if (names.length === 0 || above === undefined || /^(syntax|escape|check)\s*=/i.test(above)) continue;
    if (names.includes(above.split(" ")[0]!)) continue;
    const example = names.length === 1 ? names[0] : "NAME";
    complain(
      "InvalidDefinitionDescription",
      `the comment above does not begin with the name, as in "# ${example} what it is for"; separate unrelated comments with an empty line`,
      instruction.place,
    );
  }
}

function namesOf(instruction: Instruction): string[] {
  if (instruction.kind === "from") return instruction.as === undefined ? [] : [instruction.as];
  return instruction.kind === "arg" ? instruction.args.map(({ key }) => key) : [];
}
