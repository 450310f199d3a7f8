// Runs the fuzzers for BAY_FUZZ_SECONDS (60) each: whatever the bytes, a parser answers or throws an error of its own.
// That of requests to bayd sends BAY_FUZZ_REQUESTS (100000). Names of fuzzers as arguments choose among them.
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

const chosen = process.argv.slice(2).map((name) => `${name}.ts`);
const names = readdirSync("test/fuzz").filter(
  (name) => name.endsWith(".ts") && (chosen.length === 0 || chosen.includes(name)),
);
const folder = mkdtempSync("node_modules/.fuzz-");
try {
  await build({
    entryPoints: names.map((name) => join("test/fuzz", name)),
    outdir: folder,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    format: "esm",
    platform: "node",
    // packages that are CommonJS need a require of their own
    packages: "external",
  });
  for (const name of names) {
    const { fuzz } = await import(pathToFileURL(join(folder, `${basename(name, ".ts")}.mjs`)).href);
    await fuzz(Number(process.env.BAY_FUZZ_SECONDS ?? 60));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
