/** The door of stack files: from YAML to a Stack. Pure but for reading the files. */
export { toCompose } from "./canonical.ts";
export { dependenciesOf } from "./check-references.ts";
export { type Diagnostic, formatDiagnostic, StackError } from "./diagnostics.ts";
export type { LoadOptions } from "./find.ts";
export { type LoadedStack, loadStack } from "./load.ts";
export type { PortMapping } from "./ports.ts";
export type * from "./stack.ts";
export { parseDuration } from "./values.ts";
