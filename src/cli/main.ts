/** The command's entry: answers `--version` at once, and loads everything else only when it is needed. */
import { VERSION } from "../core/version.ts";

const [first] = process.argv.slice(2);
if (first === "--version" || first === "-v") process.stdout.write(`bay ${VERSION}\n`);
else {
  const { main } = await import("./program.ts");
  process.exitCode = await main(process.argv);
}
