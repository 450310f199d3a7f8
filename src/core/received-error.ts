/** Errors that crossed a process or thread: a plain object there, a `BayError` here. */
import { type NamedErrorCode, readCode } from "./error-codes/table.ts";
import { BayError } from "./errors.ts";

export interface SentError {
  code?: string | undefined;
  message: string;
  hint?: string | undefined;
}

/** The error that was sent; with the code `otherwise` if it has none, or one that this version does not have. */
export const receivedError = ({ code, message, hint }: SentError, otherwise: NamedErrorCode): BayError =>
  new BayError(readCode(code, otherwise), message, hint ? { hint } : {});
