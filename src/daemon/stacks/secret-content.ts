/** The contents of a stack's secrets and configs, for bayd, which reads their files again. */
import { readFileSync } from "node:fs";
import type { ContainerConfig, ContainerManager } from "../../container/index.ts";
import { BayError } from "../../core/errors.ts";
import { type Plan, whatIsMissing } from "../../reconcile/index.ts";
import type { Stack } from "../../stack/index.ts";

/** Creates a container while the contents of its secrets and configs are kept. Throws FILE_CHANGED, NO_CONTENT. */
export async function withFiles<T>(
  manager: ContainerManager,
  stack: Stack,
  { files = [] }: ContainerConfig,
  make: () => Promise<T>,
): Promise<T> {
  const letGo = manager.secretFiles.hold(files, ({ kind, name }) => contentOf(stack, kind, name));
  try {
    return await make();
  } finally {
    letGo();
  }
}

/** Throws NO_CONTENT for all secrets and configs that a plan needs and that have no content. */
export function checkContents({ steps }: Plan, stack: Stack): void {
  const files = steps.flatMap(({ container }) => container?.config?.files ?? []);
  const missing = new Set(
    files
      .filter(({ digest }) => digest === "")
      .map(({ kind, name }) => `${kind} ${name}: ${whatIsMissing(stack, kind, name)}`),
  );
  if (missing.size > 0)
    throw new BayError("NO_CONTENT", `missing content: the ${[...missing].join("; the ")}`);
}

/** Returns the current content of a secret or config. Throws NO_CONTENT. */
export function contentOf(stack: Stack, kind: "secret" | "config", name: string): Buffer {
  const given = stack[kind === "secret" ? "secrets" : "configs"][name];
  const what = `${kind} ${name}`;
  if (given && "content" in given) return Buffer.from(given.content);
  if (given && "environment" in given && given.value !== undefined) return Buffer.from(given.value);
  try {
    if (given && "file" in given) return readFileSync(given.file);
  } catch (cause) {
    throw new BayError("NO_CONTENT", `the ${what} cannot be read`, { cause });
  }
  throw new BayError("NO_CONTENT", `the ${what} has no content`);
}
