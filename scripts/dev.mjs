// `npm run dev`: builds dist/, and builds it again whenever a file of src/ or the build itself changes. A build that fails leaves
// the earlier dist/ in place.
import { spawn } from "node:child_process";
import { watch } from "chokidar";

/** Milliseconds without a change before a build begins: an editor saves several files at once. */
const QUIET = 100;

let isBuilding = false;
let isStale = false;

function build() {
  if (isBuilding) {
    isStale = true;
    return;
  }
  isBuilding = true;
  isStale = false;
  const began = performance.now();
  const child = spawn(process.execPath, ["scripts/build.mjs"], { stdio: ["ignore", "inherit", "inherit"] });
  child.once("close", (code) => {
    isBuilding = false;
    const took = ((performance.now() - began) / 1000).toFixed(1);
    console.log(code === 0 ? `built dist/ in ${took} s` : "the build failed; dist/ is unchanged");
    if (isStale) build();
  });
}

let timer;
watch(["src", "scripts/build.mjs", "scripts/start.cjs"], { ignoreInitial: true }).on("all", () => {
  clearTimeout(timer);
  timer = setTimeout(build, QUIET);
});
build();
