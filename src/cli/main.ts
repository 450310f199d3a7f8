/** The entry point of the command, called by scripts/start.cjs, which answers `--version` itself. */
import { main } from "./program.ts";

/** Runs the command and returns its exit code. */
export const run = (argv: string[]): Promise<number> => main(argv);
