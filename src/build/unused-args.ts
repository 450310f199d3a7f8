/** Values of --build-arg that no ARG uses: reported, because a misspelled name would go unnoticed. */
import { PROXY_ARGS } from "./scope.ts";
import type { Dockerfile } from "./stages.ts";

/** Arguments with a meaning for the builder itself (Dockerfile reference, "BuildKit built-in build args"). */
const BUILT_IN = /^(BUILDKIT_\w+|SOURCE_DATE_EPOCH|(BUILD|TARGET)(PLATFORM|OS|ARCH|VARIANT))$/;

/**
 * Names that were given and that no ARG of the file declares, stages that are not built included, nor one of `declared`:
 * what base images' triggers declare, and names that hold variables.
 */
export function unusedArgs(
  { globals, stages }: Dockerfile,
  given: Readonly<Record<string, string>>,
  declared: ReadonlySet<string>,
): string[] {
  const instructions = [...globals, ...stages.flatMap((stage) => stage.instructions)];
  const known = new Set([
    ...PROXY_ARGS,
    ...declared,
    ...instructions.flatMap((each) => (each.kind === "arg" ? each.args.map(({ key }) => key) : [])),
  ]);
  return Object.keys(given)
    .filter((name) => !known.has(name) && !BUILT_IN.test(name))
    .sort();
}

/** The warning, with the wording of `docker build`. */
export const unusedArgsWarning = (names: readonly string[]): string =>
  `[Warning] One or more build-args [${names.join(" ")}] were not consumed`;
