/**
 * The process that reads the stack of a commit. bayd starts it, because the files are untrusted: a file that is slow to
 * parse, or a path that blocks, must not stop bayd. It reads a request from standard input and prints the result.
 */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { BayError, messageOf } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { loadStack, type Stack, StackError } from "../../stack/index.ts";
import { withImages } from "../images/edit-images.ts";
import type { Decrypted } from "../sops/decrypt-files.ts";

const requestSchema = z.object({
  cwd: z.string(),
  files: z.array(z.string()),
  name: z.string().optional(),
  envFiles: z.array(z.string()),
  profiles: z.array(z.string()),
  /** Files that SOPS may have encrypted, and the private identities of the host. */
  encrypted: z.array(z.string()),
  identities: z.array(z.string()),
});

/** Changes of images in the text of a stack file. */
const editSchema = z.object({
  text: z.string().max(LIMITS.gitops.editedBytes),
  changes: z.array(z.object({ service: z.string(), from: z.string(), to: z.string() })),
});

export type EditRequest = z.infer<typeof editSchema>;

export interface EditResult {
  text: string;
  /** Services whose images were found. */
  found: string[];
}

export type ReadRequest = z.infer<typeof requestSchema>;

export type ReadResult =
  | {
      stack: Stack;
      warnings: string[];
      inputs: string[];
      files: string[];
      /** Contents of secrets and configs that were decrypted, in base64. */
      decrypted: { kind: "secret" | "config"; name: string; content: string }[];
      /** Values of decrypted files that became part of the stack. */
      hidden: string[];
    }
  | { error: string; hint?: string };

/** Reads a request, and prints the stack or what is wrong with it, or the changed text. */
export async function readStackForGitops(): Promise<void> {
  const request: unknown = JSON.parse(readFileSync(0, "utf8"));
  const edit = editSchema.safeParse(request);
  const result = edit.success ? edited(edit.data) : await readStack(requestSchema.parse(request));
  process.stdout.write(JSON.stringify(result));
}

function edited({ text, changes }: EditRequest): EditResult {
  const found = new Set<string>();
  return { text: withImages(text, changes, found), found: [...found] };
}

async function readStack(request: ReadRequest): Promise<ReadResult> {
  const { cwd, files, name, envFiles, profiles, encrypted, identities } = request;
  const none: Decrypted = { contents: new Map(), failures: new Map() };
  const { contents, failures } =
    encrypted.length > 0
      ? await (await import("../sops/decrypt-files.ts")).decryptFiles(encrypted, identities)
      : none;
  try {
    const { stack, warnings, inputs, sources } = loadStack({
      cwd,
      files,
      name,
      envFiles,
      profiles,
      environment: {},
      contents,
    });
    const [failed] = inputs.filter((path) => failures.has(path));
    if (failed !== undefined)
      throw new BayError("BAD_SOPS", `${failed}: ${failures.get(failed)}`, {
        hint: "bay gitops identity prints the recipient of this host",
      });
    const decrypted = decryptedOf(stack, contents);
    const others = inputs.filter((path) => !decrypted.some(({ file }) => file === path));
    const { valuesOf } = await import("../sops/decrypt-files.ts");
    return {
      stack,
      warnings: warnings.map(({ message }) => message),
      inputs,
      files: [...stack.files, ...sources.keys()],
      decrypted: decrypted.map(({ kind, name, file }) => ({
        kind,
        name,
        content: contents.get(file)!.toString("base64"),
      })),
      hidden: others.flatMap((path) => (contents.has(path) ? valuesOf(contents.get(path)!) : [])),
    };
  } catch (error) {
    const plain = error instanceof StackError || error instanceof BayError ? messageOf(error) : String(error);
    const isOfSops = error instanceof BayError && error.code === "BAD_SOPS";
    const more = isOfSops ? [] : [...failures].map(([path, why]) => `${path}: ${why}`);
    const text = [plain, ...more].join("\n");
    const hint = error instanceof BayError ? error.hint : undefined;
    return { error: text, ...(hint ? { hint } : {}) };
  }
}

/** The secrets and configs whose files were decrypted. */
const decryptedOf = ({ secrets, configs }: Stack, contents: ReadonlyMap<string, Buffer>) =>
  (
    [
      ["secret", secrets],
      ["config", configs],
    ] as const
  ).flatMap(([kind, given]) =>
    Object.entries(given).flatMap(([name, each]) =>
      "file" in each && contents.has(each.file) ? [{ kind, name, file: each.file }] : [],
    ),
  );
