import type { Stage } from "./stages.ts";

/** Finds a stage by name or number among the earlier ones; undefined if there is none, so the name is an image. */
export function findStage(stages: readonly Stage[], name: string, before: number): Stage | undefined {
  const wanted = name.toLowerCase();
  const known = stages.slice(0, before);
  return (
    known.findLast(({ from }) => from.as === wanted) ?? (/^\d+$/.test(name) ? known[Number(name)] : undefined)
  );
}
