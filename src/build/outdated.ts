/** Whether an image is what its build would give, told without building: how a build without steps ends. */
import type { Instruction } from "./dockerfile/instructions.ts";
import { oneLine } from "./stage-state.ts";

/** A step that would have to be done. */
export class CacheMiss extends Error {
  constructor(readonly instruction: Pick<Instruction, "text" | "place">) {
    super("the cache has no such step");
  }
}

/** Only a build itself can tell, as it asks registries and servers. */
export class NotLookedAt extends Error {}

const MAX_SHOWN = 60;

/** `Dockerfile:3 COPY src /srv`. */
export function placeOf({ text, place }: Pick<Instruction, "text" | "place">): string {
  const line = oneLine(text);
  const file = place.file.slice(place.file.lastIndexOf("/") + 1);
  return `${file}:${place.line} ${line.length > MAX_SHOWN ? `${line.slice(0, MAX_SHOWN - 1)}…` : line}`;
}
