// Runs the fuzzers for BAY_FUZZ_SECONDS (60) each: whatever the bytes, a parser answers or throws an error of its own.
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

const names = readdirSync("test/fuzz").filter((name) => name.endsWith(".ts"));
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
