/** The command's entry, which scripts/start.cjs calls; it answers `--version` itself. */
import { main } from "./program.ts";

/** Runs the command and gives its exit code. */
export const run = (argv: string[]): Promise<number> => main(argv);
