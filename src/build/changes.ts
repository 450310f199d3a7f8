/** Instructions that only change an image's config, as `commit` and `import` accept them with --change. */
import { type Diagnostic, formatDiagnostics } from "../core/diagnostics.ts";
import { BayError } from "../core/errors.ts";
import type { RunConfig } from "../image/index.ts";
import { readInstruction } from "./dockerfile/instructions.ts";
import { parseDockerfile } from "./dockerfile/parse.ts";
import { applyToConfig, isMeta } from "./run-config.ts";

const FILE = "--change";

/** Applies changes to a config, in order. Throws BAD_CHANGE, which lists every problem. */
export function changedConfig(config: RunConfig, changes: readonly string[]): RunConfig {
  const source = changes.join("\n");
  if (source.trim() === "") return config;
  const problems: Diagnostic[] = [];
  const { nodes } = parseDockerfile(source, FILE, (problem) => problems.push(problem));
  let changed = config;
  let hasOwnCommand = false;
  for (const node of nodes) {
    try {
      const instruction = readInstruction(node);
      if (!isMeta(instruction))
        throw new BayError("BAD_CHANGE", `${node.name.toUpperCase()} cannot change the config of an image`, {
          hint: "CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, SHELL, STOPSIGNAL, USER, VOLUME or WORKDIR can be used",
        });
      const env = new Map((changed.Env ?? []).map((entry) => entry.split(/=(.*)/s) as [string, string]));
      changed = applyToConfig(changed, instruction, {
        lookup: (name) => env.get(name),
        options: {},
        hasOwnCommand,
      });
      hasOwnCommand ||= node.name === "cmd";
    } catch (error) {
      if (!(error instanceof BayError)) throw error;
      const { code, message, hint } = error;
      problems.push({ severity: "error", code, message, ...(hint ? { hint } : {}), place: node.place });
    }
  }
  const errors = problems.filter(({ severity }) => severity === "error");
  if (errors.length > 0)
    throw new BayError("BAD_CHANGE", formatDiagnostics(errors, new Map([[FILE, source]])).join("\n"));
  return changed;
}
