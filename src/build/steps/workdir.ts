/** WORKDIR: creates a directory that belongs to the stage's user. */
import { resolveOwner } from "../../container/index.ts";
import { BayError } from "../../core/errors.ts";
import type { BuildContext, StepPosition } from "../build-context.ts";
import type { InstructionOf } from "../dockerfile/instructions.ts";
import { workingDirectory } from "../run-config.ts";
import { digestOf, lowerOf, type StageState } from "../stage-state.ts";
import { runTreeTask } from "../tree/tasks.ts";

const ROOT = { uid: 0, gid: 0 };

export async function workdir(
  context: BuildContext,
  state: StageState,
  instruction: InstructionOf<"workdir">,
  position: StepPosition,
): Promise<StageState> {
  const path = workingDirectory(state.config, position.scope.text(instruction.value));
  const { User = "" } = state.config;
  const owner = ownerOf(User, context, state);
  const key = digestOf(["workdir", state.key, path, User]);
  const next = await context.step(state, instruction, position, key, async (places) => {
    await runTreeTask({ kind: "directory", into: context.into(state, places), path, owner });
  });
  return { ...next, config: { ...next.config, WorkingDir: path } };
}

/** If the user does not exist in the image yet, root owns the directory, as in BuildKit. */
function ownerOf(user: string, context: BuildContext, state: StageState): { uid: number; gid: number } {
  if (!user) return ROOT;
  try {
    return resolveOwner(user, context.layersDirectory, lowerOf(state));
  } catch (error) {
    if (error instanceof BayError && ["UNKNOWN_USER", "UNKNOWN_GROUP"].includes(error.code)) return ROOT;
    throw error;
  }
}
