// Bundles the command into dist/: one small entry and lazily loaded chunks, so that `bay --version`
// pays for nothing but itself. koffi stays outside because it carries a native library.
import { chmod, readFile, rm } from "node:fs/promises";
import { build } from "esbuild";

const { version } = JSON.parse(await readFile(new URL("../package.json", import.meta.url), "utf8"));
await rm("dist", { recursive: true, force: true });
await build({
  entryPoints: {
    bay: "src/cli/main.ts",
    "log-worker": "src/container/log-worker.ts",
    "archive-worker": "src/image/archive-worker.ts",
    "fill-worker": "src/image/fill-worker.ts",
    "layer-worker": "src/image/layer-worker.ts",
    "volume-worker": "src/image/volume-worker.ts",
    "tree-worker": "src/build/tree/tree-worker.ts",
  },
  outdir: "dist",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20.19",
  minifySyntax: true,
  minifyWhitespace: true,
  sourcemap: false,
  external: ["koffi"],
  define: { __BAY_VERSION__: JSON.stringify(version) },
  banner: {
    js: 'import{createRequire as __cr}from"node:module";const require=__cr(import.meta.url);',
  },
});
await chmod("dist/bay.js", 0o755);
