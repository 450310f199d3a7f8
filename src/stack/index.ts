/** The door of stack files: from YAML to a Stack. Pure but for reading the files. */

export { type Diagnostic, formatDiagnostic } from "../diagnostics.ts";
export { toCompose } from "./canonical.ts";
export { buildsNeeding, dependenciesOf, serviceContext } from "./check-references.ts";
export { chooseServices, serviceOf } from "./choose-services.ts";
export type { LoadOptions } from "./find.ts";
export { type LoadedStack, loadStack } from "./load.ts";
export type { PortMapping } from "./ports.ts";
export { keyForOne } from "./read-update.ts";
export { ownersOf, shareWith } from "./sharing.ts";
export type * from "./stack.ts";
export { StackError } from "./stack-error.ts";
export { parseBytes, parseDuration } from "./values.ts";
