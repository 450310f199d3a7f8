/** `--check` of builds: checks Dockerfiles without building. */
import type { BuildRequest } from "../../../build/index.ts";
import { BayError } from "../../../core/errors.ts";
import { print } from "../../ui/output.ts";

/** Prints the problems of Dockerfiles without building; returns 1 if there are any. Throws BAD_DOCKERFILE. */
export async function check(
  requests: readonly Pick<BuildRequest, "dockerfile" | "ignore">[],
): Promise<number> {
  const { loadChecker } = await import("../../../build/index.ts");
  const { checkDockerfile } = await loadChecker();
  const errors: string[] = [];
  const warnings = requests.flatMap(({ dockerfile, ignore }) => {
    if (!("source" in dockerfile))
      throw new BayError(
        "UNSUPPORTED",
        "--check supports Dockerfiles of this host only, not those of a remote context",
      );
    try {
      return checkDockerfile(dockerfile, ignore ?? []).warnings;
    } catch (error) {
      if (!(error instanceof BayError)) throw error;
      errors.push(error.message);
      return [];
    }
  });
  if (errors.length > 0) throw new BayError("BAD_DOCKERFILE", [...errors, ...warnings].join("\n\n"));
  print(warnings.length > 0 ? warnings.join("\n\n") : "no problems found");
  return warnings.length > 0 ? 1 : 0;
}
