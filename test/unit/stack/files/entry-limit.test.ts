/** Every mapping and list of a stack file has a limit of its entries, wherever it is. */
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../../../src/core/limits.ts";
import { lastKey, mostEntries } from "../../../../src/stack/files/entry-limit.ts";
import { loadText, problemsOf } from "../../../support/stack.ts";

const many = (count: number, entry: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => entry(index)).join(", ");
const above = LIMITS.stack.entries + 1;
const named = (count: number) => many(count, (index) => `k${index}: v`);

describe("more than 10,000 entries", () => {
  it.each([
    ["services", `services: { ${many(above, (index) => `s${index}: { image: x }`)} }`],
    ["networks", `services: { a: { image: x } }\nnetworks: { ${many(above, (index) => `n${index}: {}`)} }`],
    ["networks.n.labels", `services: { a: { image: x } }\nnetworks: { n: { labels: { ${named(above)} } } }`],
    [
      "volumes.v.driver_opts",
      `services: { a: { image: x } }\nvolumes: { v: { driver_opts: { ${named(above)} } } }`,
    ],
    ["services.a.build.args", `services: { a: { build: { context: ., args: { ${named(above)} } } } }`],
    ["services.a.command", `services: { a: { image: x, command: [${many(above, String)}] } }`],
    ["services.a.ports.0", `services: { a: { image: x, ports: [[${many(above, String)}]] } }`],
  ])("are refused at %s", (path, text) => {
    expect(problemsOf(text)).toContain(
      `${path}: ${above} entries; at most ${mostEntries(lastKey(path))} are allowed`,
    );
  });

  it("are not needed for parts of a stack: bayd takes 1,000", () => {
    const labels = (count: number) =>
      `services: { a: { image: x, labels: { ${named(count)} } } }\nnetworks: { default: { labels: { ${named(count)} } } }`;
    expect(loadText(labels(LIMITS.stack.parts)).warnings).toEqual([]);
    const problems = problemsOf(labels(LIMITS.stack.parts + 1));
    for (const path of ["services.a.labels", "networks.default.labels"])
      expect(problems).toContain(`${path}: 1001 entries; at most 1000 are allowed`);
  });

  it("are allowed in extensions, which bay does not read", () => {
    expect(loadText(`x-own: { ${named(above)} }\nservices: { a: { image: x } }`).warnings).toEqual([]);
  });
});
