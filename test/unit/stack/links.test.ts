/** `links`: names that the linking container alone has, on the networks that both are on (Compose specification, 05-services.md). */
import { expect, it } from "vitest";
import { makePlan } from "../../../src/reconcile/index.ts";
import { NOTHING } from "../../support/actual.ts";
import { loadText } from "../../support/stack.ts";

const { stack, warnings } = loadText(`
services:
  db: { image: app, networks: [back] }
  db2: { image: app, networks: [back] }
  a: { image: app, networks: [back], links: ["db:database", db] }
  b: { image: app, networks: [back], links: ["db2:database"], external_links: ["old:legacy"] }
  c: { image: app, networks: [front], links: ["db:database"] }
networks: { back: , front: }
`);

const configOf = (service: string) =>
  makePlan(stack, NOTHING).steps.find((step) => step.service === service)!.container!.config!;

it("an alias is known to the linking container alone, so that two services may use the same", () => {
  expect(configOf("a").externalLinks).toEqual({ database: "db" });
  expect(configOf("b").externalLinks).toEqual({ database: "db2", legacy: "old" });
  expect(configOf("db").networks[0]!.aliases).toEqual(["db"]);
});

it("warns about a link between services without a common network, with its place", () => {
  expect(warnings).toMatchObject([{ code: "NO_EFFECT", place: { line: 7 } }]);
  expect(warnings[0]!.message).toContain("c cannot reach db");
});
