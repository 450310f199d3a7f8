/** Values as YAML text. A separate module, so that the library is loaded only when it is needed. */
import { stringify } from "yaml";

export function toYaml(value: unknown): string {
  return stringify(value, { aliasDuplicateObjects: false, lineWidth: 0 });
}
