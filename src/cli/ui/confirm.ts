/** Questions that are answered with y or yes. */

export interface ConfirmOptions {
  /** Ends the question without an answer. */
  signal?: AbortSignal;
  /** Let the terminal edit the line, so that Ctrl-C still ends the command. */
  plain?: boolean;
}

/** Asks on standard error, and reads a line of standard input. The end of the input, and the signal, are a no. */
export async function confirm(question: string, { signal, plain }: ConfirmOptions = {}): Promise<boolean> {
  const { createInterface } = await import("node:readline/promises");
  const output = process.stderr;
  const reader = createInterface({ input: process.stdin, output, ...(plain ? { terminal: false } : {}) });
  const ended = new Promise<string>((resolve) => {
    reader.once("close", () => resolve(""));
    if (signal?.aborted) resolve("");
    signal?.addEventListener("abort", () => resolve(""), { once: true });
  });
  const answer = await Promise.race([reader.question(`${question} [y/N] `), ended]);
  reader.close();
  return /^y(es)?$/i.test(answer.trim());
}
