/** What holds for every stack and every host. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { makePlan, PLAN_DEFAULTS } from "../../../src/reconcile/index.ts";
import { applied, converged, NOTHING } from "../../support/actual.ts";
import { runs } from "../../support/property-runs.ts";
import {
  dependentsOf,
  FIELDS,
  type RandomStack,
  randomStack,
  type Value,
} from "../../support/random-stack.ts";
import { loadText } from "../../support/stack.ts";

const load = (stack: RandomStack) => loadText(stringify(stack)).stack;
const WHOLE = { ...PLAN_DEFAULTS, removeOrphans: true };

describe("any stack", () => {
  it("has an empty plan on a host that matches it", () => {
    fc.assert(
      fc.property(randomStack, (random) => {
        const stack = load(random);
        expect(makePlan(stack, converged(stack)).steps).toEqual([]);
      }),
      runs(60),
    );
  });

  it("has an empty plan once its plan is applied, from an empty host and from any other stack", () => {
    fc.assert(
      fc.property(fc.option(randomStack, { nil: undefined }), randomStack, (before, after) => {
        const stack = load(after);
        const actual = before ? converged(load(before)) : NOTHING;
        const plan = makePlan(stack, actual, WHOLE);
        for (const { kind, reasons } of plan.steps)
          expect(reasons.length + Number(kind.endsWith(".create"))).toBeGreaterThan(0);
        expect(new Set(plan.steps.map(({ id }) => id)).size).toBe(plan.steps.length);
        expect(makePlan(stack, applied(stack, actual, plan), WHOLE).steps).toEqual([]);
      }),
      runs(80),
    );
  });

  it("plans steps of the changed service alone, and of what needs it", () => {
    const change = fc
      .constantFrom(...Object.keys(FIELDS))
      .chain((key) => fc.tuple(fc.constant(key), fc.option(FIELDS[key]!, { nil: undefined })));
    fc.assert(
      fc.property(randomStack, fc.nat(), change, (before, which, [key, value]) => {
        const names = Object.keys(before.services);
        const name = names[which % names.length]!;
        const after = structuredClone(before);
        const service = after.services[name]!;
        if (value === undefined) delete service[key];
        else service[key] = value;
        const allowed = dependentsOf(before, name);
        const { steps } = makePlan(load(after), converged(load(before)), WHOLE);
        for (const step of steps) if (step.service !== undefined) expect(allowed).toContain(step.service);
      }),
      runs(80),
    );
  });

  it("means the same whatever the order of its keys, and with comments", () => {
    fc.assert(
      fc.property(randomStack, fc.infiniteStream(fc.nat()), (random, numbers) => {
        const text = stringify(shuffled(random, numbers))
          .split("\n")
          .map((line) => (line === "" ? line : `${line} # a comment: "with" {signs}`))
          .join("\n# between\n");
        const [first, second] = [load(random), loadText(text).stack];
        expect({ ...second, directory: "", files: [] }).toEqual({ ...first, directory: "", files: [] });
        expect(makePlan(second, converged(first)).steps).toEqual([]);
      }),
      runs(60),
    );
  });
});

/** Mappings with their keys in another order; the order of a list counts. */
function shuffled(value: Value, numbers: fc.Stream<number>): Value {
  if (Array.isArray(value)) return value.map((entry) => shuffled(entry, numbers));
  if (typeof value !== "object" || value === null) return value;
  const keys = Object.keys(value)
    .map((key) => ({ key, at: numbers.next().value as number }))
    .sort((a, b) => a.at - b.at);
  return Object.fromEntries(keys.map(({ key }) => [key, shuffled(value[key]!, numbers)]));
}
