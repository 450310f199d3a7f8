/** Loading a stack from text, for tests. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type LoadedStack, type LoadOptions, loadStack } from "../../src/stack/index.ts";

export function loadText(
  text: string,
  options: Partial<LoadOptions> & { extra?: Record<string, string> } = {},
): LoadedStack {
  const folder = mkdtempSync(join(tmpdir(), "bay-stack-"));
  try {
    writeFileSync(join(folder, "bay.yaml"), text);
    for (const [name, content] of Object.entries(options.extra ?? {})) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), content);
    }
    return loadStack({ cwd: folder, environment: {}, name: "demo", ...options });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The text of all problems of a stack that cannot be loaded. */
export function problemsOf(
  text: string,
  options: Partial<LoadOptions> & { extra?: Record<string, string> } = {},
): string {
  try {
    loadText(text, options);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("the stack was loaded");
}
