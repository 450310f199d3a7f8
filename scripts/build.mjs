// Bundles the command into dist/: bay.js, which is the command, and pack.cjs, which holds its code. koffi stays outside
// because it carries a native library.
//
// esbuild divides the code into chunks that are loaded when they are needed. The pack holds each chunk as a function
// (a CommonJS module), so that a start reads one file and none of Node's loaders is needed; large chunks have files of their
// own in dist/large/. scripts/start.cjs says how they run.
//
// dist/bay.js is a shell script and a JavaScript file at once: the shell says what is needed where there is no Node.js,
// and the JavaScript, which is old enough for every Node.js, where it is too old.
import { createHash } from "node:crypto";
import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { build, transform } from "esbuild";

const { version } = JSON.parse(await readFile(new URL("../package.json", import.meta.url), "utf8"));

/** zod carries its messages in 50 languages; bay writes its own. */
const englishOnly = {
  name: "english-only",
  setup({ onLoad }) {
    onLoad({ filter: /zod\/v4\/locales\/index\.js$/ }, () => ({
      contents: 'export { default as en } from "./en.js";',
    }));
  },
};

const common = {
  outdir: "dist",
  bundle: true,
  platform: "node",
  target: "node20.19",
  minifySyntax: true,
  minifyWhitespace: true,
  sourcemap: false,
  external: ["koffi"],
  plugins: [englishOnly],
  define: { __BAY_VERSION__: JSON.stringify(version) },
};
// `bundleUrl` is given to every module of the pack, and stands at the head of a worker
const asCommonJs = { format: "cjs", define: { ...common.define, "import.meta.url": "bundleUrl" } };

const { outputFiles } = await build({
  ...common,
  entryPoints: { main: "src/cli/main.ts" },
  splitting: true,
  format: "esm",
  write: false,
});
// after the first build, so that an error in the source leaves the command as it was
await rm("dist", { recursive: true, force: true });
await mkdir("dist");
const modules = await Promise.all(
  outputFiles.map(async ({ path, text }) => {
    const { code } = await transform(text, {
      ...asCommonJs,
      target: common.target,
      minifySyntax: true,
      minifyWhitespace: true,
      supported: { "dynamic-import": false },
    });
    return { name: basename(path), code };
  }),
);

/** What esbuild writes at the head of each chunk; the pack has it once. */
const helpersOf = (code) => /^var __.*?(?=var \w+_exports=\{\};)/s.exec(code)?.[0] ?? "";
const namesOf = (helpers) => [...helpers.matchAll(/[\s,](__\w+)=/g)].map(([, name]) => name);
const helpers = modules.map(({ code }) => helpersOf(code)).reduce((a, b) => (a.length > b.length ? a : b));
for (const module of modules) {
  const own = helpersOf(module.code);
  const missing = namesOf(own).filter((name) => !namesOf(helpers).includes(name));
  if (missing.length > 0)
    throw new Error(`the helpers of ${module.name} are not those of the other chunks: ${missing}`);
  module.code = module.code.slice(own.length);
}

/** A chunk of more characters, such as zod or yaml, is in a file of its own: most commands do without it. */
const LARGE = 45_000;
const isLarge = ({ name, code }) => code.length > LARGE && name !== "main.js";
// escapes keep all of them ASCII, so that they are read without decoding
const small = modules
  .filter((module) => !isLarge(module))
  .map(({ name, code }) => `${JSON.stringify(`./${name}`)}:function(exports,require,module){${code}}`);
const pack = `(function(bundleUrl){${helpers}return{${small.join(",\n")}}})`;
await writeFile("dist/pack.cjs", pack);
await mkdir("dist/large");
for (const { name, code } of modules.filter(isLarge))
  await writeFile(
    `dist/large/${name}`,
    `(function(bundleUrl){${helpers}return function(exports,require,module){${code}}})`,
  );

await build({
  ...common,
  ...asCommonJs,
  entryPoints: {
    "log-worker": "src/container/logs/log-worker.ts",
    "remount-worker": "src/container/lifecycle/remount-worker.ts",
    "archive-worker": "src/image/archive/archive-worker.ts",
    "sync-worker": "src/image/archive/sync-worker.ts",
    "fill-worker": "src/image/volume-files/fill-worker.ts",
    "layer-worker": "src/image/layers/layer-worker.ts",
    "volume-worker": "src/image/volume-files/volume-worker.ts",
    "tree-worker": "src/build/tree/tree-worker.ts",
  },
  banner: { js: 'var bundleUrl=require("url").pathToFileURL(__filename).href;' },
});
await writeFile("dist/package.json", '{ "type": "commonjs" }\n');

const start = await readFile(new URL("start.cjs", import.meta.url), "utf8");
const digest = createHash("sha256").update(JSON.stringify(modules)).digest("hex").slice(0, 16);
await writeFile("dist/start.cjs", start.replace("__PACK__", digest).replace("__VERSION__", version));
const check = await readFile(new URL("need-node.cjs", import.meta.url), "utf8");
const [, howToGet] = /"(; on Debian 13: [^"]*)"/.exec(check);
const missing = `bay needs Node.js 20.19 or newer, and there is no node in PATH${howToGet}`;
await writeFile(
  "dist/bay.js",
  `#!/bin/sh
":" //; command -v node >/dev/null || { echo "${missing}" >&2; exit 127; }; exec node -- "$0" "$@"
${check}else require("./start.cjs");
`,
);
await chmod("dist/bay.js", 0o755);
