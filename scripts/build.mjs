// Bundles the command into dist/: one small entry and lazily loaded chunks, so that `bay --version`
// pays for nothing but itself. koffi stays outside because it carries a native library.
//
// dist/bay.js is a shell script and a JavaScript file at once: the shell says what is needed where there is no Node.js,
// and the JavaScript, which is old enough for every Node.js, where it is too old.
import { chmod, readFile, rm, writeFile } from "node:fs/promises";
import { build } from "esbuild";

const { version } = JSON.parse(await readFile(new URL("../package.json", import.meta.url), "utf8"));
await rm("dist", { recursive: true, force: true });
await build({
  entryPoints: {
    main: "src/cli/main.ts",
    "log-worker": "src/container/logs/log-worker.ts",
    "archive-worker": "src/image/archive/archive-worker.ts",
    "fill-worker": "src/image/volume-files/fill-worker.ts",
    "layer-worker": "src/image/layers/layer-worker.ts",
    "volume-worker": "src/image/volume-files/volume-worker.ts",
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
const check = await readFile(new URL("need-node.cjs", import.meta.url), "utf8");
const [, howToGet] = /"(; on Debian 13: [^"]*)"/.exec(check);
const missing = `bay needs Node.js 20.19 or newer, and there is no node in PATH${howToGet}`;
await writeFile(
  "dist/bay.js",
  `#!/bin/sh
":" //; command -v node >/dev/null || { echo "${missing}" >&2; exit 127; }; exec node -- "$0" "$@"
${check}else import("./main.js");
`,
);
await chmod("dist/bay.js", 0o755);
