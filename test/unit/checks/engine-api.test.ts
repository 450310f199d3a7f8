/** The table of operations: docs/engine-api.md and the OpenAPI document are written from it (`npm run support`). */
import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { errorAnswer } from "../../../src/daemon/api/error-status.ts";
import { noRoute } from "../../../src/daemon/api/routing.ts";
import { routesOf, type Services } from "../../../src/daemon/api/server.ts";
import { OPERATIONS } from "../../support/engine-operations.ts";
import { openApi, routeName } from "../../support/openapi.ts";

const PAGE = "docs/engine-api.md";
const OPEN_API = "docs/engine-api.openapi.json";
const BEGIN = "<!-- operations: written by npm run support -->\n";
const END = "<!-- end of operations -->";

const ANSWERS = {
  swarm: "503: this node is not a swarm manager",
  plugins: "404: bay has no plugins",
  unsupported: "501, with the reason",
};

function table(): string {
  const rows = OPERATIONS.map(
    ({ name, group, status, refused }) =>
      `| ${group} | \`${name}\` | ${refused ? ANSWERS[refused] : status} |`,
  );
  const served = OPERATIONS.filter(({ refused }) => !refused).length;
  return `Of the ${OPERATIONS.length} operations of Docker's reference (version 1.45), bay serves ${served}.\n\n| Group | Operation | Answer |\n|---|---|---|\n${rows.join("\n")}\n`;
}

function page(text: string): string {
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  return `${text.slice(0, begin + BEGIN.length)}\n${table()}\n${text.slice(end)}`;
}

if (process.env.BAY_WRITE_SUPPORT) {
  writeFileSync(PAGE, page(readFileSync(PAGE, "utf8")));
  writeFileSync(OPEN_API, openApi());
}

describe("the operations of the Engine API", () => {
  const { routes, hijacks } = routesOf({ manager: { images: {} } } as unknown as Services);
  const served = new Set([...routes, ...hijacks].map(({ name }) => name));

  it("are all 107 of the published API, each once", () => {
    expect(new Set(OPERATIONS.map(({ name }) => name)).size).toBe(107);
    expect(OPERATIONS).toHaveLength(107);
  });

  it("that the table calls served have a route, and the others have an error", () => {
    for (const { name, refused, status } of OPERATIONS) {
      const [method = "", path = ""] = name.split(" ");
      if (!refused || refused === "plugins") expect([...served]).toContain(routeName(name));
      else {
        expect([...served]).not.toContain(routeName(name));
        const answer = errorAnswer(noRoute(method, path.replace(/\{\w+\}/g, "nosuch")));
        expect([name, answer.status]).toEqual([name, status]);
      }
    }
  });

  it("are what docs/engine-api.md says (npm run support)", () => {
    const text = readFileSync(PAGE, "utf8");
    expect(text).toBe(page(text));
  });

  it("are what the OpenAPI document says (npm run support)", () => {
    expect(readFileSync(OPEN_API, "utf8")).toBe(openApi());
  });
});
