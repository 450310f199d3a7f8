/** Labels of networks and volumes, which are changed in place. */
import { changeOf, type Reason } from "../model/step.ts";

/** A reason for each label that differs. */
export function labelChanges(
  where: string,
  known: Record<string, string>,
  wanted: Record<string, string>,
): Reason[] {
  const names = [...new Set([...Object.keys(known), ...Object.keys(wanted)])].sort();
  return names
    .filter((name) => known[name] !== wanted[name])
    .map((name) => changeOf(`${where}.labels.${name}`, known[name], wanted[name]));
}
