import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, it } from "vitest";
import { makePlan } from "../../../../src/reconcile/index.ts";
import { printGraph } from "../../../../src/reconcile/show/graph.ts";
import { planJsonSchema, planSchema, toPlanJson } from "../../../../src/reconcile/show/plan-json.ts";
import { SIGNS } from "../../../../src/reconcile/show/print.ts";
import { converged, NOTHING } from "../../../support/actual.ts";
import { loadText } from "../../../support/stack.ts";

const BASE = `name: demo
services:
  db: { image: app, healthcheck: { test: [CMD, "true"] }, volumes: ["data:/data"], environment: { DB_PASSWORD: alphabet } }
  web: { image: app, scale: 2, depends_on: { db: { condition: service_healthy } } }
  job: { image: app, depends_on: { web: { condition: service_started, required: false } } }
volumes: { data: }
`;
const { stack } = loadText(BASE);
const changed = loadText(
  BASE.replaceAll("image: app", "image: app, init: true").replace("alphabet", "omega"),
).stack;
const PLANS = [
  makePlan(stack, NOTHING),
  makePlan(changed, converged(stack)),
  makePlan(stack, converged(stack)),
];

describe("a plan as JSON", () => {
  it("is what schemas/plan.schema.json says", () => {
    const schema = JSON.parse(readFileSync("schemas/plan.schema.json", "utf8"));
    expect(schema).toEqual(planJsonSchema());
    const isValid = new Ajv2020().compile(schema);
    for (const plan of PLANS) {
      const json: unknown = JSON.parse(JSON.stringify(toPlanJson(plan)));
      isValid(json);
      expect(isValid.errors ?? []).toEqual([]);
    }
    expect(isValid({ version: 2, stack: "a", steps: [], warnings: [] })).toBe(false);
  });

  it("has the same kinds of steps as the plan, and no secrets", () => {
    const kinds = planSchema.shape.steps.element.shape.kind.options;
    expect([...kinds].sort()).toEqual(Object.keys(SIGNS).sort());
    const text = JSON.stringify(PLANS.map(toPlanJson));
    expect(text).toContain("(hidden)");
    expect(text).not.toMatch(/alphabet|omega/);
  });
});

describe("the graph of a plan", () => {
  it("for Mermaid has a line a step, and only the edges that do not follow from others", () => {
    expect(printGraph(PLANS[0]!, "mermaid")).toMatchInlineSnapshot(`
      "flowchart LR
        s0["+ network demo_default"]
        s1["+ volume demo_data"]
        s2["+ container demo-db-1"]
        s3["+ container demo-web-1"]
        s4["+ container demo-web-2"]
        s5["+ container demo-job-1"]
        s0 --> s2
        s1 --> s2
        s2 --> s3
        s2 --> s4
        s3 -.-> s5
        s4 -.-> s5
      "
    `);
  });

  it("for Graphviz quotes names, and draws what may fail with dashes", () => {
    const text = printGraph(PLANS[0]!, "dot");
    expect(text).toContain('digraph "demo" {');
    expect(text).toContain('s2 [label="+ container demo-db-1"];');
    expect(text).toMatch(/s\d -> s\d \[style=dashed\];/);
  });

  it("as SVG has a box for each step, none over another", () => {
    const text = printGraph(PLANS[0]!, "svg");
    const boxes = [...text.matchAll(/<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"/g)].map((match) =>
      match.slice(1).map(Number),
    );
    expect(boxes).toHaveLength(PLANS[0]!.steps.length);
    const overlaps = boxes.some(([x, y, width], index) =>
      boxes.slice(index + 1).some(([a, b]) => b === y && a! < x! + width!),
    );
    expect(overlaps).toBe(false);
    expect(printGraph({ stack: "<&>", steps: [], warnings: [] }, "svg")).toContain(
      "<title>&lt;&amp;&gt;</title>",
    );
  });
});
