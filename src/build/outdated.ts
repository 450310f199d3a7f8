/** Whether an image is up to date, without building: the result of a build that runs no steps. */
import type { Instruction } from "./dockerfile/instructions.ts";
import { oneLine } from "./stage-state.ts";

/** A step that would have to run. */
export class CacheMiss extends Error {
  constructor(readonly instruction: Pick<Instruction, "text" | "place">) {
    super("the cache has no such step");
  }
}

/** Only a build can tell, because it needs registries and servers. */
export class NotLookedAt extends Error {}

const MAX_SHOWN = 60;

/** `Dockerfile:3 COPY src /srv`. */
export function placeOf({ text, place }: Pick<Instruction, "text" | "place">): string {
  const line = oneLine(text);
  const file = place.file.slice(place.file.lastIndexOf("/") + 1);
  return `${file}:${place.line} ${line.length > MAX_SHOWN ? `${line.slice(0, MAX_SHOWN - 1)}…` : line}`;
}
