/** The interface of stack files: from YAML to a Stack. Pure except for reading the files. */

export { formatDiagnostics } from "../core/diagnostics.ts";
export { buildsNeeding, dependenciesOf, serviceContext } from "./check/check-references.ts";
export { ownersOf, shareWith } from "./check/sharing.ts";
export { type DocumentProblem, readDocument } from "./document.ts";
export { type LoadOptions, mainFileIn } from "./files/find.ts";
export { interpolate, type Variables } from "./files/interpolate.ts";
export { isMapping, toMapping } from "./files/merge.ts";
export { Origins } from "./files/origins.ts";
export { isWithin, type RemoteFile } from "./files/remote.ts";
export { SourceFile } from "./files/source.ts";
export { type LoadedStack, loadStack } from "./load.ts";
export { toCompose } from "./model/canonical.ts";
export { chooseServices, serviceOf } from "./model/choose-services.ts";
export { HOST_LIMITS } from "./model/placement.ts";
export type * from "./model/stack.ts";
export { keyForOne } from "./normalise/update-policy.ts";
export { StackError } from "./stack-error.ts";
