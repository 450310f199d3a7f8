/**
 * The process that reads the stack of a commit. bayd starts it, because the files are untrusted: a file that is slow to
 * parse, or a path that blocks, must not stop bayd. It reads a request from standard input and prints the result.
 */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { BayError, messageOf } from "../../core/errors.ts";
import { loadStack, type Stack, StackError } from "../../stack/index.ts";

const requestSchema = z.object({
  cwd: z.string(),
  files: z.array(z.string()),
  name: z.string().optional(),
  envFiles: z.array(z.string()),
  profiles: z.array(z.string()),
});

export type ReadRequest = z.infer<typeof requestSchema>;

export type ReadResult =
  | { stack: Stack; warnings: string[]; inputs: string[]; files: string[] }
  | { error: string; hint?: string };

/** Reads the request, and prints the stack or what is wrong with it. */
export function readStackForGitops(): void {
  const { cwd, files, name, envFiles, profiles } = requestSchema.parse(JSON.parse(readFileSync(0, "utf8")));
  let result: ReadResult;
  try {
    const { stack, warnings, inputs, sources } = loadStack({
      cwd,
      files,
      name,
      envFiles,
      profiles,
      environment: {},
    });
    result = {
      stack,
      warnings: warnings.map(({ message }) => message),
      inputs,
      files: [...stack.files, ...sources.keys()],
    };
  } catch (error) {
    const text = error instanceof StackError || error instanceof BayError ? messageOf(error) : String(error);
    const hint = error instanceof BayError ? error.hint : undefined;
    result = { error: text, ...(hint ? { hint } : {}) };
  }
  process.stdout.write(JSON.stringify(result));
}
