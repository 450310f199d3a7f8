// Writes the map of the rooms in docs/architecture.md: which room imports which, counted in the source.
// `npm run docs:map` writes it; a unit test says when it is no longer current.
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { FLOORS, readImports, roomOf } from "./rooms.mjs";

const BEGIN = "<!-- map: written by npm run docs:map -->\n";
const END = "<!-- end of map -->";
const PAGE = "docs/architecture.md";

function countImports(source) {
  const counts = new Map();
  for (const { from, to } of readImports(source)) {
    const [a, b] = [roomOf(from), roomOf(to)];
    if (a !== b && b !== "core") counts.set(`${a} ${b}`, (counts.get(`${a} ${b}`) ?? 0) + 1);
  }
  return counts;
}

/** The map as Mermaid text. Imports of core/ are left out: every room has them. */
export function drawMap(source = "src") {
  const arrows = [...countImports(source)]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([pair]) => `  ${pair.replace(" ", " --> ")}`);
  const floors = FLOORS.toSpliced(-1, 0, ["stack"]).map((rooms, index) =>
    rooms.length === 1
      ? `  ${rooms[0]}`
      : `  subgraph floor${index} [" "]\n${rooms.map((room) => `    ${room}`).join("\n")}\n  end`,
  );
  return ["```mermaid", "flowchart TD", ...floors, ...arrows, "```", ""].join("\n");
}

/** The page with the map in its place. */
export function withMap(page) {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin < 0 || end < begin)
    throw new Error(`${PAGE} has no place for the map: ${BEGIN.trim()} and ${END}`);
  return page.slice(0, begin + BEGIN.length) + drawMap() + page.slice(end);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href)
  writeFileSync(PAGE, withMap(readFileSync(PAGE, "utf8")));
