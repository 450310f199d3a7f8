/**
 * What a build step may do beyond its own sandbox, as in BuildKit: a step has it only when the
 * build grants it. A Dockerfile may be untrusted, so only the command, the request or the stack file grants.
 */
import { BayError } from "../core/errors.ts";
import type { Instruction, InstructionOf } from "./dockerfile/instructions.ts";
import { StepFailure } from "./failure.ts";
import type { Stage } from "./stages.ts";
import type { BuildRequest } from "./types.ts";

type Granted = Pick<BuildRequest, "insecure" | "hostNetwork">;

/** Throws NOT_ALLOWED for a RUN that needs what the build does not grant. */
export function checkEntitlements(
  { security, network }: Pick<InstructionOf<"run">, "security" | "network">,
  { insecure, hostNetwork }: Granted,
): void {
  if (security === "insecure" && !insecure) throw notAllowed("RUN --security=insecure", "security.insecure");
  if (network === "host" && !hostNetwork) throw notAllowed("RUN --network=host", "network.host");
}

function notAllowed(what: string, entitlement: string): BayError {
  return new BayError("NOT_ALLOWED", `${what} is not allowed for this build`, {
    hint: `add --allow ${entitlement}, or build.entitlements: [${entitlement}] in the stack file`,
  });
}

/** Checks all stages that will be built, before anything runs. Throws StepFailure with the place of the first. */
export function checkStages(stages: readonly Stage[], granted: Granted, source: string): void {
  for (const { instructions } of stages) checkInstructions(instructions, granted, source);
}

/** Checks instructions before the first of them runs. Throws StepFailure with the place of the first that is refused. */
export function checkInstructions(
  instructions: readonly Instruction[],
  granted: Granted,
  source: string,
): void {
  const isRun = (instruction: Instruction): instruction is InstructionOf<"run"> => instruction.kind === "run";
  for (const instruction of instructions.filter(isRun))
    try {
      checkEntitlements(instruction, granted);
    } catch (error) {
      throw new StepFailure(error as BayError, instruction.place, source);
    }
}
