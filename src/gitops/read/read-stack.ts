/** Reads the stack of a checked-out commit in a process of its own, and checks that it stays within the repository. */

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { join, resolve } from "node:path";
import { BayError } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import type { Stack } from "../../stack/index.ts";
import { type CheckedOut, pathInside } from "../git/check-out.ts";
import type { Source } from "../model/source.ts";
import type { EditRequest, EditResult, ReadRequest, ReadResult } from "./reader-process.ts";

const READ_TIME = 60_000;
const MAX_RESULT = LIMITS.gitops.stackBytes;

/** The hidden word of the command that reads a stack. */
export const READ_STACK = "__read-stack";

export interface ReadStack {
  stack: Stack;
  warnings: string[];
  decrypted: DecryptedContent[];
  /** Values of decrypted files that became part of the stack, and must not be shown. */
  hidden: string[];
}

/** The content of a secret or config whose file was decrypted. It stays in memory. */
export interface DecryptedContent {
  kind: "secret" | "config";
  name: string;
  digest: string;
  bytes: Buffer;
}

/** Names of files that SOPS may have encrypted: `db.enc`, `.env.enc`, `values.enc.yaml`, `db.sops.json`. */
const ENCRYPTED = /\.(enc|sops)(\.[a-z0-9]+)?$/i;
const MAX_ENCRYPTED = LIMITS.gitops.encryptedFiles;
const MAX_ENCRYPTED_SIZE = LIMITS.gitops.encryptedBytes;

const refused = (message: string, hint?: string) => new BayError("GITOPS_COMMIT", message, { hint });

/** Throws GITOPS_COMMIT with all problems of the stack's files. */
export async function readStack(
  command: readonly string[],
  source: Source,
  { directory, leading, pointers, entries }: CheckedOut,
  identities: readonly string[],
  signal: AbortSignal,
): Promise<ReadStack> {
  const cwd = join(directory, source.path);
  const request: ReadRequest = {
    cwd,
    files: source.files,
    name: source.project,
    envFiles: source.env_files,
    profiles: source.profiles,
    encrypted: encryptedFiles(entries).map((path) => join(directory, path)),
    identities: [...identities],
  };
  const result = await ask<ReadResult>(command, request, signal);
  const links = [...leading].map(([path, target]) => `${path} -> ${target}`);
  const linkText = `symbolic links that point outside the repository are not followed: ${links.slice(0, 5).join(", ")}`;
  const shown = (text: string) => text.replaceAll(`${directory}/`, "");
  if ("error" in result)
    throw refused(shown(result.error), links.length > 0 ? linkText : result.hint && shown(result.hint));
  if (result.stack.hosts)
    throw refused(
      "a stack of several hosts (hosts:) cannot follow a repository yet",
      "let each host follow a stack of its own",
    );
  const used = [...result.inputs, ...result.files.map((file) => resolve(cwd, file))];
  const strange = used.find((path) => {
    if (pathInside(directory, path) !== undefined) return false;
    return !source.allow_paths.some((allowed) => pathInside(resolve(allowed), path) !== undefined);
  });
  if (strange !== undefined)
    throw refused(
      `${strange} is outside of the repository`,
      `--allow-path DIRECTORY allows the stack to read it`,
    );
  const inner = used.flatMap((path) => pathInside(directory, path) ?? []);
  const binds = Object.values(result.stack.services).flatMap(({ mounts }) =>
    mounts.flatMap((mount) => (mount.type === "bind" ? (pathInside(directory, mount.source) ?? []) : [])),
  );
  for (const path of [...inner, ...binds]) {
    const link = [...leading.keys()].find((name) => path === name || path.startsWith(`${name}/`));
    if (link !== undefined)
      throw refused(`${link} is a symbolic link that points outside the repository: ${leading.get(link)}`);
    if (pointers.includes(path))
      throw refused(`${path} is stored in Git LFS, which bay does not fetch`, "store the file in git itself");
  }
  const decrypted = result.decrypted.map(({ kind, name, content }) => {
    const bytes = Buffer.from(content, "base64");
    return { kind, name, bytes, digest: createHash("sha256").update(bytes).digest("hex") };
  });
  return { stack: result.stack, warnings: result.warnings.map(shown), decrypted, hidden: result.hidden };
}

function encryptedFiles(entries: CheckedOut["entries"]): string[] {
  const found = [...entries].filter(
    ([path, { mode, size }]) => mode.startsWith("100") && size <= MAX_ENCRYPTED_SIZE && ENCRYPTED.test(path),
  );
  if (found.length > MAX_ENCRYPTED)
    throw refused(`the commit has ${found.length} encrypted files; at most ${MAX_ENCRYPTED} are allowed`);
  return found.map(([path]) => path);
}

/** Changes images in the text of a stack file, in a process of its own. Throws GITOPS_COMMIT, ABORTED. */
export const editImages = (
  command: readonly string[],
  request: EditRequest,
  signal: AbortSignal,
): Promise<EditResult> => ask(command, request, signal);

function ask<Result>(
  command: readonly string[],
  request: ReadRequest | EditRequest,
  signal: AbortSignal,
): Promise<Result> {
  const [program = "", ...words] = command;
  return new Promise((done, reject) => {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(READ_TIME)]);
    const child = spawn(program, [...words, READ_STACK], {
      env: { PATH: process.env.PATH },
      cwd: "/",
      stdio: ["pipe", "pipe", "pipe"],
      signal: limit,
      killSignal: "SIGKILL",
    });
    const parts: Buffer[] = [];
    let size = 0;
    let told = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      told = (told + text).slice(-2000);
    });
    child.stdout.on("data", (part: Buffer) => {
      size += part.length;
      if (size > MAX_RESULT) child.kill("SIGKILL");
      else parts.push(part);
    });
    child.stdin.on("error", () => {});
    child.on("error", (cause) =>
      reject(
        signal.aborted
          ? new BayError("ABORTED", "the reading of the stack was interrupted", { cause })
          : refused(`the stack could not be read within ${READ_TIME / 1000} seconds`),
      ),
    );
    child.on("close", (code) => {
      if (size > MAX_RESULT) return reject(refused(`the stack is larger than ${MAX_RESULT >> 20} MiB`));
      if (code !== 0)
        return reject(refused(`the stack could not be read: ${told.trim() || `exit code ${code}`}`));
      done(JSON.parse(Buffer.concat(parts).toString("utf8")) as Result);
    });
    child.stdin.end(JSON.stringify(request));
  });
}
