/** The table of error codes: docs/errors.md is written from it (`npm run errors`), and every code is used. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { EXIT_CONFIG } from "../../../src/cli/systemd/unit.ts";
import {
  docsAnchor,
  ERROR_CODES,
  ERROR_GROUPS,
  entryOf,
  isNamedCode,
} from "../../../src/core/error-codes/table.ts";
import { BayError } from "../../../src/core/errors.ts";
import { errorAnswer } from "../../../src/daemon/api/error-status.ts";

const PAGE = "docs/errors.md";

const exitText = ({ exit, daemonExit }: { exit: number; daemonExit?: number }) =>
  daemonExit === undefined ? `${exit}` : `${exit} (${daemonExit} of \`bay daemon run\`)`;

function page(): string {
  const parts = Object.entries(ERROR_GROUPS).map(([title, group]) => {
    const entries = Object.entries(group).map(([code, { meaning, causes, fix, http, ...exits }]) =>
      [
        `### ${code}`,
        meaning,
        `- Usual causes: ${causes}\n- What to do: ${fix}\n- Exit code ${exitText(exits)}, HTTP status ${http}`,
      ].join("\n\n"),
    );
    return [`## ${title}`, ...entries].join("\n\n");
  });
  return `${[
    "# Error codes",
    "<!-- written by npm run errors, from src/core/error-codes -->",
    "An error of the command begins with its code: `error[PORT_TAKEN]: …`. `bay explain PORT_TAKEN` prints what is said here. Answers of bayd's API have the code in the field `code`. A system call that failed has the name of its errno as code, such as `ENOENT`; it is described as [SYSCALL](#syscall).",
    ...parts,
  ].join("\n\n")}\n`
    .replaceAll("<", "&lt;")
    .replace("&lt;!--", "<!--");
}

if (process.env.BAY_WRITE_ERRORS) writeFileSync(PAGE, page());

const source = readdirSync("src", { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts") && !name.startsWith("core/error-codes/"))
  .map((name) => readFileSync(join("src", name), "utf8"))
  .join("\n");

const codes = Object.keys(ERROR_CODES).filter(isNamedCode);

describe("the table of error codes", () => {
  it("is what docs/errors.md says (npm run errors)", () => {
    expect(readFileSync(PAGE, "utf8")).toBe(page());
  });

  it("has each code in one part only", () => {
    const all = Object.values(ERROR_GROUPS).flatMap((group) => Object.keys(group));
    expect(all.toSorted()).toEqual([...new Set(all)].sort());
    expect(all.toSorted()).toEqual(codes.toSorted());
  });

  it("has no code that nothing in src uses", () => {
    expect(codes.filter((code) => !source.includes(`"${code}"`) && code !== "SYSCALL")).toEqual([]);
  });

  it("has the codes of all errors and warnings of files", () => {
    const used = [...source.matchAll(/\b(?:code: |warn\(|report\()"([A-Z][A-Z0-9_]+)"/g)].map(
      ([, code]) => code!,
    );
    expect(used.length).toBeGreaterThan(20);
    const known = (code: string) => isNamedCode(code) || code in constants.errno;
    expect([...new Set(used)].filter((code) => !known(code))).toEqual([]);
  });

  it("has sentences that end with a full stop, or commands", () => {
    for (const code of codes) {
      const { meaning, causes } = ERROR_CODES[code];
      expect([code, meaning]).toEqual([code, expect.stringMatching(/^\S.*\.$/)]);
      expect([code, causes]).toEqual([code, expect.stringMatching(/^\S.*\.$/)]);
    }
  });

  it("has anchors that docs/errors.md has", () => {
    const headings = new Set([...page().matchAll(/^### (\S+)$/gm)].map(([, code]) => code!.toLowerCase()));
    expect(codes.filter((code) => !headings.has(docsAnchor(code).split("#")[1]!))).toEqual([]);
  });

  it("ends bay daemon run with 78 for errors that a restart of bayd does not correct", () => {
    const ofConfig = codes.filter((code) => entryOf(code).daemonExit === EXIT_CONFIG);
    expect(ofConfig.toSorted()).toEqual([
      "BAD_SETTINGS",
      "BAD_STATE",
      "MIGRATION",
      "NEWER_STATE",
      "NO_SOCKET_GROUP",
    ]);
  });

  it.each(codes)("gives the HTTP status of %s", (code) => {
    expect(errorAnswer(new BayError(code, "text")).status).toBe(ERROR_CODES[code].http);
  });

  it("gives 400 to contents that are not valid, and 500 to system calls that failed", () => {
    for (const code of ["BAD_MANIFEST", "WRONG_DIGEST", "BAD_LAYER", "SCHEMA_1"] as const)
      expect([code, ERROR_CODES[code].http]).toEqual([code, 400]);
    expect(errorAnswer(new BayError("EPERM", "mount: EPERM")).status).toBe(500);
  });
});
