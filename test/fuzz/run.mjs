// Runs the fuzzers for BAY_FUZZ_SECONDS (60): whatever the bytes, a parser answers or throws an error of its own.
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

const folder = mkdtempSync("node_modules/.fuzz-");
try {
  const outfile = join(folder, "tar.mjs");
  await build({
    entryPoints: ["test/fuzz/tar.ts"],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    external: ["koffi"],
  });
  const { fuzz } = await import(pathToFileURL(outfile).href);
  await fuzz(Number(process.env.BAY_FUZZ_SECONDS ?? 60));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
