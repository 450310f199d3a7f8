/** A hostile writer: exchanges a directory with a symbolic link, as fast as it can, while something is done with the path. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";

/** How many tries a test of a race makes; `npm run test:long` makes more. */
export const RACE_ROUNDS = Number(process.env.BAY_RACE_ROUNDS ?? 1000);

/** renameat2(2) with RENAME_EXCHANGE, on x86-64 and arm64. */
const SYSCALL = process.arch === "arm64" ? 276 : 316;
const SCRIPT = `
my ($number, $one, $other) = @ARGV;
$SIG{TERM} = sub { print "$count\\n"; exit 0 };
our $count = 0;
while (1) { syscall($number + 0, -100, $one, -100, $other, 2); $count++ }
`;

export class Swapper {
  readonly #child: ChildProcess;
  swaps = 0;

  /** In `folder`, the path `directory` is a directory in one moment and a symbolic link to `link` in the next. */
  constructor(folder: string, { directory, link }: { directory: string; link: string }) {
    const [one, other] = [join(folder, directory), join(folder, `${directory}-other`)];
    mkdirSync(one, { recursive: true });
    symlinkSync(link, other);
    this.#child = spawn("perl", ["-e", SCRIPT, String(SYSCALL), one, other], {
      stdio: ["ignore", "pipe", "inherit"],
    });
  }

  /** Ends it; `swaps` is how many exchanges it made. */
  async end(): Promise<void> {
    let text = "";
    this.#child.stdout!.setEncoding("utf8").on("data", (part: string) => {
      text += part;
    });
    const closed = new Promise((resolve) => this.#child.once("close", resolve));
    this.#child.kill("SIGTERM");
    await closed;
    this.swaps = Number(text);
  }
}
