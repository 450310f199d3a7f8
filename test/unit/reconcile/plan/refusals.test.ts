/** Why a stack cannot be applied: everything is named at once. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { makePlan, PLAN_DEFAULTS } from "../../../../src/reconcile/index.ts";
import { NOTHING } from "../../../support/actual.ts";
import { loadText } from "../../../support/stack.ts";

/** One fault for each service, with its code and a part of the message. */
const FAULTS = [
  {
    keys: "image: app, networks: [gone]",
    code: "NETWORK_NOT_FOUND",
    text: "the external network net1 does not",
  },
  {
    keys: "image: app, volumes: ['kept:/v']",
    code: "VOLUME_NOT_FOUND",
    text: "the external volume vol1 does not",
  },
  {
    keys: "image: none, pull_policy: never",
    code: "IMAGE_NOT_FOUND",
    text: "the image none is not on this host",
  },
  { keys: "image: app, container_name: taken", code: "NAME_TAKEN", text: "the name taken is taken" },
  { keys: "image: app, entrypoint: []", code: "NO_COMMAND", text: "has a command" },
  { keys: "image: app, cpus: 99", code: "TOO_MANY_CPUS", text: "99; the host has 4" },
  { keys: "image: app, gpus: all", code: "UNAVAILABLE", text: "gpus: bay does not support" },
  {
    keys: "image: app, volumes_from: ['container:x']",
    code: "VOLUMES_FROM",
    text: "the container x does not",
  },
] as const;

function planOf(faults: readonly (typeof FAULTS)[number][]) {
  const services = faults.map(({ keys }, index) => `  s${index}: { ${keys} }\n`).join("");
  const { stack } = loadText(
    `services:\n  fine: { image: app }\n${services}networks: { gone: { external: true, name: net1 } }\nvolumes: { kept: { external: true, name: vol1 } }\n`,
  );
  try {
    makePlan(
      stack,
      { ...NOTHING, foreignNames: ["taken"], fullDisks: ["the disk of /x is full"] },
      PLAN_DEFAULTS,
    );
  } catch (error) {
    return error as { code: string; message: string };
  }
  return undefined;
}

describe("a stack that cannot be applied", () => {
  it.each(FAULTS)("is refused with $code", (fault) => {
    expect(planOf([fault])?.message).toContain(fault.text);
  });

  it("names every combination of faults, and the problems of the plan", () => {
    fc.assert(
      fc.property(fc.subarray([...FAULTS], { minLength: 1 }), (faults) => {
        const error = planOf(faults)!;
        expect(error.code).toBe("SEVERAL_PROBLEMS");
        for (const { text } of faults) expect(error.message).toContain(text);
        expect(error.message).toContain("the disk of /x is full");
      }),
      { numRuns: 30 },
    );
  });

  it("keeps the error of a single fault as it is", () => {
    const { stack } = loadText("services: { a: { image: none, pull_policy: never } }\n");
    expect(() => makePlan(stack, NOTHING)).toThrow(
      expect.objectContaining({ code: "IMAGE_NOT_FOUND", hint: expect.stringContaining("bay pull a") }),
    );
  });
});
