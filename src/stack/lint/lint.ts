/** `bay lint`: bad practice in a stack that loads without errors. */
import { type Diagnostic, inFileOrder, nearest } from "../../core/diagnostics.ts";
import { isMapping } from "../files/merge.ts";
import type { Merged } from "../files/merge-files.ts";
import type { Stack } from "../model/stack.ts";
import { RULES } from "./rules.ts";

/** Silences rules: at the top of a file for all services, or in one service. */
const SKIP = "x-lint-skip";

/** The findings of the rules, in the files' order, except silenced ones. `services` selects services; empty means all. */
export function lintStack(stack: Stack, merged: Merged, services: readonly string[] = []): Diagnostic[] {
  const problems: Diagnostic[] = [];
  const everywhere = skipped(merged, [], problems);
  for (const service of Object.values(stack.services)) {
    if (services.length > 0 && !services.includes(service.name)) continue;
    const skip = new Set([...everywhere, ...skipped(merged, ["services", service.name], problems)]);
    for (const [code, { check }] of Object.entries(RULES)) {
      if (skip.has(code)) continue;
      for (const { path, message, hint } of check(service, stack)) {
        const place = merged.origins.locate(merged.value, path, true);
        problems.push({ severity: "warning", code, message, hint, ...(place ? { place } : {}) });
      }
    }
  }
  return inFileOrder(problems);
}

/** The rules that a mapping silences; reports unknown rule names. */
function skipped(merged: Merged, path: string[], problems: Diagnostic[]): string[] {
  let holder = merged.value;
  for (const step of path) holder = isMapping(holder) ? holder[step] : undefined;
  const names = isMapping(holder) ? [holder[SKIP] ?? []].flat().map(String) : [];
  for (const name of names) {
    if (Object.hasOwn(RULES, name)) continue;
    const place = merged.origins.locate(merged.value, [...path, SKIP]);
    const close = nearest(name, Object.keys(RULES));
    problems.push({
      severity: "warning",
      code: "unknown-rule",
      message: `unknown rule ${name}`,
      hint: close ? `did you mean ${close}?` : `the rules are ${Object.keys(RULES).join(", ")}`,
      ...(place ? { place } : {}),
    });
  }
  return names;
}
