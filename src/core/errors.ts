import type { ErrorCode } from "./error-codes/table.ts";

/**
 * The one error class of the project. Every failure that a user may see has a stable code, a message that
 * says what happened, a hint that says what to do, and the cause it came from. The table of codes is in error-codes/.
 */
export class BayError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: { hint?: string | undefined; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "BayError";
    this.code = code;
    this.hint = options.hint;
  }
}

/** The message of any thrown value, followed by the messages of its causes. */
export function messageOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  // messages of OpenSSL end with a new line
  const message = fileProblem(thrown) ?? thrown.message.trimEnd();
  if (thrown.cause === undefined || thrown.message.includes(messageOf(thrown.cause))) return message;
  return `${message}: ${messageOf(thrown.cause)}`;
}

/** The meaning of an error of the file system for a path (errno(3)); undefined for other errors. */
function fileProblem(error: Error): string | undefined {
  const { code = "", path = "it" } = error as NodeJS.ErrnoException;
  // Node's own messages begin with the code
  return error.message.startsWith(`${code}: `) ? FILE_PROBLEMS[code]?.(path) : undefined;
}

const FILE_PROBLEMS: Readonly<Record<string, (path: string) => string>> = {
  ENOENT: (path) => `${path} does not exist`,
  EACCES: (path) => `permission denied: ${path}`,
  EPERM: (path) => `operation not permitted: ${path}`,
  EEXIST: (path) => `${path} already exists`,
  EISDIR: (path) => `${path} is a directory`,
  ENOTDIR: (path) => `not a directory: ${path}`,
  ELOOP: (path) => `too many levels of symbolic links in ${path}`,
  EROFS: (path) => `read-only file system: ${path}`,
  ENOSPC: (path) => `no space left on the disk for ${path}`,
  EDQUOT: (path) => `disk quota exceeded for ${path}`,
  EMFILE: (path) => `too many open files, so ${path} cannot be opened`,
};

/** Codes of Node.js and of undici. */
type LibraryCode = `ERR_${string}` | `UND_ERR_${string}`;

/** True if `thrown` carries this code: a `BayError`'s code, the errno name of a system error, or a library's code. */
export function hasCode(thrown: unknown, ...codes: (ErrorCode | LibraryCode)[]): boolean {
  const code = (thrown as { code?: unknown } | null | undefined)?.code;
  return typeof code === "string" && (codes as string[]).includes(code);
}
