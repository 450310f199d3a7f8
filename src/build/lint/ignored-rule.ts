/** The rule about the ignore file: a COPY of an ignored source always fails. */
import type { Diagnostic } from "../../core/diagnostics.ts";
import { IgnorePatterns } from "../ignore.ts";
import type { Dockerfile } from "../stages.ts";
import { isRemoteSource } from "../steps/add-remote.ts";
import { complainer, readCheckOptions } from "./rules.ts";

/** `ignore` are the lines of the ignore file. */
export function checkIgnored(
  { directives, stages }: Dockerfile,
  ignore: readonly string[],
  say: (diagnostic: Diagnostic) => void,
): void {
  const patterns = new IgnorePatterns(ignore);
  if (patterns.isEmpty) return;
  // errors of the directive were reported before
  const complain = complainer(
    readCheckOptions(directives.check, () => {}),
    say,
  );
  for (const { instructions } of stages)
    for (const instruction of instructions) {
      if (instruction.kind !== "copy" && instruction.kind !== "add") continue;
      if (instruction.kind === "copy" && instruction.from) continue;
      for (const source of instruction.sources) {
        if (isRemoteSource(source) || /[$*?[]/.test(source)) continue;
        const path = source.replace(/^\.?\/+/, "").replace(/\/+$/, "");
        if (path === "" || path === "." || patterns.mayTakeBack || !patterns.matches(path)) continue;
        complain(
          "CopyIgnoredFile",
          `${instruction.written} of ${path}, which is excluded by the ignore file`,
          instruction.place,
        );
      }
    }
}
