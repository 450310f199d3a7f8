import type { Stage } from "./stages.ts";

/** The stage of a name or number among those before one; undefined where it is none, and so an image. */
export function findStage(stages: readonly Stage[], name: string, before: number): Stage | undefined {
  const wanted = name.toLowerCase();
  const known = stages.slice(0, before);
  return (
    known.findLast(({ from }) => from.as === wanted) ?? (/^\d+$/.test(name) ? known[Number(name)] : undefined)
  );
}
