/** Dependencies between stages: FROM, COPY --from and mounts of RUN. */
import { BayError } from "../core/errors.ts";
import type { Instruction } from "./dockerfile/instructions.ts";
import { StepFailure } from "./failure.ts";
import type { Stage } from "./stages.ts";

/** A stage by what an instruction calls it, for FROM among those before one. */
export type FindStage = (name: string, before?: number) => Stage | undefined;

/** Indexes of the stages that a target needs. Throws BAD_DOCKERFILE, with its place, for a cycle. */
export function neededStages(target: Stage, source: string, find: FindStage): number[] {
  const done = new Set<number>();
  const open: Stage[] = [];
  const visit = (stage: Stage | undefined, by: Pick<Instruction, "place">) => {
    if (!stage || done.has(stage.index)) return;
    if (open.includes(stage)) throw circle([...open.slice(open.indexOf(stage)), stage], by, source);
    open.push(stage);
    visit(find(stage.from.image, stage.index), stage.from);
    for (const instruction of stage.instructions)
      for (const name of sourcesOf(instruction)) visit(find(name), instruction);
    open.pop();
    done.add(stage.index);
  };
  visit(target, target.from);
  return [...done];
}

/** The stages and images that an instruction takes files from. */
function sourcesOf(instruction: Instruction): string[] {
  if (instruction.kind === "copy") return instruction.from ? [instruction.from] : [];
  if (instruction.kind !== "run") return [];
  return instruction.mounts.flatMap((mount) => /(?:^|,)from=([^,]+)/.exec(mount)?.[1] ?? []);
}

function circle(
  stages: readonly Stage[],
  { place }: Pick<Instruction, "place">,
  source: string,
): StepFailure {
  const names = stages.map(({ from, index }) => from.as ?? String(index)).join(" → ");
  const message =
    stages.length === 2
      ? `the stage ${names.split(" ")[0]} depends on itself`
      : `circular dependency between stages: ${names}`;
  return new StepFailure(new BayError("BAD_DOCKERFILE", message), place, source);
}
