/** Errors as answers of the Engine API: the status is that of the table of error codes. */

import { type ErrorCode, entryOf } from "../../core/error-codes/table.ts";
import { BayError, hasCode, messageOf } from "../../core/errors.ts";
import { diskFullError } from "../../store/index.ts";
import { issueText } from "./request-body.ts";


  // never 404: docker run takes that for a missing image, and pulls
  BAD_ARCHIVE: 400,
  BAD_CHANGE: 400,
  BAD_DOCKERFILE: 400,
  BAD_PLATFORM: 400,
  BAD_REFERENCE: 400,
  BAD_REQUEST: 400,
  BAD_TAR: 400,
  BAD_URL: 400,
  BAD_VOLUME_NAME: 400,
  BODY_TOO_LARGE: 413,
  BODY_TOO_SLOW: 408,
  BUILD_RUNNING: 409,
  CONTAINER_NOT_FOUND: 404,
  CONTAINER_PAUSED: 409,
  DEVICE_FILE: 400,
  EXEC_NOT_FOUND: 404,
  EXEC_STARTED: 409,
  IMAGE_IN_USE: 409,
  IMAGE_NOT_FOUND: 404,
  IS_RUNNING: 409,
  NAME_TAKEN: 409,
  NETWORK_IN_USE: 409,
  NETWORK_NOT_FOUND: 404,
  NOT_ALLOWED: 403,
  NOT_RUNNING: 409,
  NO_ROUTE: 501,
  NO_SWARM: 503,
  PATH_NOT_FOUND: 404,
  PORT_TAKEN: 409,
  TOO_MANY_CPUS: 400,
  TOO_MANY_EXECS: 429,
  UNSUPPORTED: 501,
  VOLUME_BUSY: 409,
  VOLUME_IN_USE: 409,
  VOLUME_NOT_FOUND: 404,
const STATUS: Readonly<Record<string, number>> = {
};
export interface ErrorAnswer {
  status: number;
  /** Docker's shape, with bay's code and hint beside the message. */
  body: { message: string; code: ErrorCode; hint?: string };
}

/** What a client is told about anything that was thrown. */
export function errorAnswer(error: unknown): ErrorAnswer {
  const shown = asBayError(error);
  const { code, hint } = shown instanceof BayError ? shown : { code: "INTERNAL" as const, hint: undefined };
  return { status: entryOf(code).http, body: { message: messageOf(shown), code, ...(hint ? { hint } : {}) } };
}

/** The end of a stream of JSON lines, as Docker's clients read it: the code is a number. */
export function streamError(error: unknown) {
  const { status, body } = errorAnswer(error);
  const { message, code, hint } = body;
  return { error: message, errorDetail: { code: status, message }, code, ...(hint ? { hint } : {}) };
}

/** A schema that refused a value says so in its own format, which is not for clients. */
function asBayError(error: unknown): unknown {
  const issues = (error as { issues?: unknown } | undefined)?.issues;
  if (Array.isArray(issues)) return new BayError("BAD_REQUEST", issueText(issues), { cause: undefined });
  if (hasCode(error, "ECONNRESET", "ERR_STREAM_PREMATURE_CLOSE"))
    return new BayError("BAD_REQUEST", "the connection closed before the end of the request");
  return diskFullError(error) ?? error;
}
