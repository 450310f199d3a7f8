/** Services of disabled profiles, and the parts of a file that only they use, are checked for their shape only. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadStack } from "../../../../src/stack/index.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bay-disabled-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function load(text: string, profiles: string[] = []) {
  writeFileSync(join(folder, "compose.yaml"), text);
  const { stack, warnings } = loadStack({ cwd: folder, environment: {}, profiles });
  return { services: Object.keys(stack.services), warnings: warnings.map(({ message }) => message) };
}

const PARTS = `
secrets: { s: { environment: NOPE } }
configs: { c: { file: ./none } }
networks: { n: { driver: weird } }
volumes: { v: { driver: nfs } }
`;
const USES = "secrets: [s], configs: [c], networks: [n], volumes: ['v:/v']";

describe("parts that only disabled services use", () => {
  const text = `services: { a: { image: x }, off: { image: y, profiles: [p], ${USES} } }${PARTS}`;

  it("are not checked", () => {
    expect(load(text)).toEqual({ services: ["a"], warnings: [] });
  });

  it("are checked when the profile is enabled", () => {
    expect(load(text, ["p"]).warnings).toHaveLength(4);
  });

  it("are checked when an enabled service uses them too", () => {
    expect(load(text.replace("{ image: x }", `{ image: x, ${USES} }`)).warnings).toHaveLength(4);
  });

  it("are checked when no service uses them", () => {
    expect(load(`services: { a: { image: x } }${PARTS}`).warnings).toHaveLength(4);
  });

  it("do not include the default network of services without networks", () => {
    const off = "off: { image: y, profiles: [p], networks: [default] }";
    const { warnings } = load(
      `services: { a: { image: x }, ${off} }\nnetworks: { default: { driver: weird } }`,
    );
    expect(warnings).toEqual([expect.stringContaining('the driver "weird"')]);
  });

  it("do not include the secrets of an enabled service's build", () => {
    const off = "off: { image: y, profiles: [p], secrets: [s] }";
    const { warnings } = load(
      `services: { a: { build: { context: ., secrets: [s] } }, ${off} }\nsecrets: { s: { environment: NOPE } }`,
    );
    expect(warnings).toEqual([expect.stringContaining("the variable NOPE is not set")]);
  });
});

describe("an empty profile", () => {
  it.each(['[""]', '["", w]', '[w, ""]'])("enables a service with profiles %s", (profiles) => {
    expect(load(`services: { a: { image: x, profiles: ${profiles} } }`).services).toEqual(["a"]);
  });
});
