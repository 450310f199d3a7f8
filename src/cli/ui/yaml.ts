/** Values as YAML text. A module of its own, so that the library is loaded only where it is needed. */
import { stringify } from "yaml";

export function toYaml(value: unknown): string {
  return stringify(value, { aliasDuplicateObjects: false, lineWidth: 0 });
}
