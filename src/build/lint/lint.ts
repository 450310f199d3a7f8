/** BuildKit's build checks of a Dockerfile: bad practice in a valid file. */
import type { Diagnostic } from "../../core/diagnostics.ts";
import type { Dockerfile } from "../stages.ts";
import { checkExpose, checkInstructions } from "./instruction-rules.ts";
import { type Complain, complainer, readCheckOptions } from "./rules.ts";
import { checkCasing, checkDescriptions, checkStages } from "./stage-rules.ts";
import { checkVariables } from "./variable-rules.ts";

/** Reports every violation of a rule that the file does not skip. */
export function lint(dockerfile: Dockerfile, say: (diagnostic: Diagnostic) => void): void {
  const complain = complainerFor(dockerfile, say);
  checkCasing(dockerfile, complain);
  checkStages(dockerfile, complain);
  checkDescriptions(dockerfile, complain);
  for (const stage of dockerfile.stages) {
    checkInstructions(stage, dockerfile.stages, complain);
    checkExpose(stage, complain);
  }
  checkVariables(dockerfile, complain);
  for (const place of dockerfile.emptyContinuations)
    complain("NoEmptyContinuation", "a continued instruction has an empty line", place);
}

function complainerFor({ directives, file }: Dockerfile, say: (diagnostic: Diagnostic) => void): Complain {
  const options = readCheckOptions(directives.check, (message) =>
    say({ severity: "error", code: "BAD_CHECK", message, place: { file, line: 1, column: 1, length: 1 } }),
  );
  return complainer(options, say);
}
