// The rooms of src/ and the imports between files, read from the source: for the map in docs/architecture.md, and for the test of
// the rooms' order and doors.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";

/** From the top to the bottom. A room imports only rooms of lower floors; stack/ is beside them and imports core/ alone. */
export const FLOORS = [
  ["cli"],
  ["watch", "gitops"],
  ["daemon"],
  ["host", "placement", "reconcile"],
  ["build"],
  ["container"],
  ["image", "network", "volume"],
  ["linux", "store"],
  ["core"],
];

/** The room of a path below src/. */
export const roomOf = (path) => path.split("/")[0];

/** The TypeScript files, as paths below src/. */
export const sourceFiles = (source) =>
  readdirSync(source, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));

/** Each import of one file by another: `{ from, to, isLazy }`, with paths below src/. Types and import() are lazy. */
export function readImports(source) {
  return sourceFiles(source).flatMap((from) => {
    const text = readFileSync(join(source, from), "utf8");
    return [...text.matchAll(/(import type [^;]*?from |\bfrom |import\(|import )\s*"(\.[^"]+)"/g)].map(
      ([, how, path]) => ({
        from,
        to: relative(source, normalize(join(source, dirname(from), path))),
        isLazy: how === "import(" || how.startsWith("import type"),
      }),
    );
  });
}
