/**
 * The one error class of the project. Every failure that a user may see has a stable code, a message that
 * says what happened, a hint that says what to do, and the cause it came from.
 */
export class BayError extends Error {
  readonly code: string;
  readonly hint: string | undefined;

  constructor(code: string, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "BayError";
    this.code = code;
    this.hint = options.hint;
  }
}

/** The message of anything that was thrown, with the messages of its causes behind it. */
export function messageOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  if (thrown.cause === undefined || thrown.message.includes(messageOf(thrown.cause))) return thrown.message;
  return `${thrown.message}: ${messageOf(thrown.cause)}`;
}

/** True where `thrown` carries this code: a `BayError`'s code or the errno name of a system error. */
export function hasCode(thrown: unknown, ...codes: string[]): boolean {
  const code = (thrown as { code?: unknown } | null | undefined)?.code;
  return typeof code === "string" && codes.includes(code);
}
