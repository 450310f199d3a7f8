// Writes docs/limits.md from the table in src/core/limits.ts. `npm run limits` writes it; a unit test says when it is no longer current.
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const PAGE = "docs/limits.md";
const UNITS = [
  ["GiB", 2 ** 30],
  ["MiB", 2 ** 20],
  ["KiB", 2 ** 10],
];

/** A limit as the documentation writes it: `1 MiB`, `60 s`, `10,000`. */
export function limitText(value, what) {
  if (what.startsWith("Milliseconds")) return value % 1000 === 0 ? `${value / 1000} s` : `${value} ms`;
  if (!what.startsWith("Bytes")) return value.toLocaleString("en-US");
  const [unit, size] = UNITS.find(([, each]) => value >= each && value % each === 0) ?? ["bytes", 1];
  return `${(value / size).toLocaleString("en-US")} ${unit}`;
}

/** The sections of the table: their titles, and each limit with its key and description. */
export function readLimits(source) {
  const sections = [];
  let comment = "";
  for (const line of source.split("\n")) {
    const [, text] = /^\s*\/\*\* (.*) \*\/$/.exec(line) ?? [];
    if (text !== undefined) comment = text;
    const [, section] = /^ {2}(\w+): \{$/.exec(line) ?? [];
    if (section !== undefined) sections.push({ key: section, title: comment, limits: [] });
    const [, key] = /^ {4}(\w+): .*,$/.exec(line) ?? [];
    if (key !== undefined) sections.at(-1).limits.push({ key, what: comment });
    if (text === undefined) comment = "";
  }
  return sections;
}

/** The description without the unit, which the value has. */
const described = (what) => what.replace(/^Bytes of/, "Size of").replace(/^Milliseconds/, "Time");

export function limitsPage(limits, source) {
  const tables = readLimits(source).map(
    ({ key: section, title, limits: rows }) =>
      `## ${title.split(";")[0]}\n\n${title.includes(";") ? `${title.split("; ")[1][0].toUpperCase()}${title.split("; ")[1].slice(1)}.\n\n` : ""}| what | at most |\n| --- | --- |\n${rows
        .map(({ key, what }) => `| ${described(what)} | ${limitText(limits[section][key], what)} |\n`)
        .join("")}`,
  );
  return `<!-- written by npm run limits from src/core/limits.ts; do not edit -->
# Limits

The limits on everything that comes from outside. Unless the row says otherwise, what exceeds a limit is refused with an error; nothing
is truncated silently. [security.md](security.md) describes the limits that are settings, and what clients of bayd see.

${tables.join("\n")}`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const { build } = await import("esbuild");
  const { outputFiles } = await build({ entryPoints: ["src/core/limits.ts"], format: "esm", write: false });
  const { LIMITS } = await import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`);
  writeFileSync(PAGE, limitsPage(LIMITS, readFileSync("src/core/limits.ts", "utf8")));
}
