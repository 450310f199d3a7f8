/** Errors as responses of the Engine API: the table of error codes has the status. */
import { type ErrorCode, entryOf } from "../../core/error-codes/table.ts";
import { BayError, hasCode, messageOf } from "../../core/errors.ts";
import { diskFullError } from "../../store/index.ts";
import { issueText } from "./request-body.ts";

export interface ErrorAnswer {
  status: number;
  /** Docker's shape, with bay's code and hint in addition to the message. */
  body: { message: string; code: ErrorCode; hint?: string };
}

/** The response for any thrown value. */
export function errorAnswer(error: unknown): ErrorAnswer {
  const shown = asBayError(error);
  const { code, hint } = shown instanceof BayError ? shown : { code: "INTERNAL" as const, hint: undefined };
  return { status: entryOf(code).http, body: { message: messageOf(shown), code, ...(hint ? { hint } : {}) } };
}

/** The last line of a failed stream of JSON lines, in the format of Docker's clients: the code is a number. */
export function streamError(error: unknown) {
  const { status, body } = errorAnswer(error);
  const { message, code, hint } = body;
  return { error: message, errorDetail: { code: status, message }, code, ...(hint ? { hint } : {}) };
}

/** An error of a schema has its own format, which is not for clients. */
function asBayError(error: unknown): unknown {
  const issues = (error as { issues?: unknown } | undefined)?.issues;
  if (Array.isArray(issues)) return new BayError("BAD_REQUEST", issueText(issues), { cause: undefined });
  if (hasCode(error, "ECONNRESET", "ERR_STREAM_PREMATURE_CLOSE"))
    return new BayError("BAD_REQUEST", "the connection closed before the end of the request");
  return diskFullError(error) ?? error;
}
