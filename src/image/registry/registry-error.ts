/** Errors of a registry, with the HTTP status of its response. */
import type { ErrorCode } from "../../core/error-codes/table.ts";
import { BayError } from "../../core/errors.ts";
import type { Credentials } from "./credentials.ts";
import type { Endpoint } from "./endpoint.ts";
import { deniedMessage } from "./refusals.ts";

/** A refusal, with the status and the registry's message. */
export class RegistryError extends BayError {
  constructor(
    code: ErrorCode,
    message: string,
    readonly status: number,
    options: { hint?: string; cause?: unknown } = {},
  ) {
    super(code, message, options);
  }
}

/** Converts a 401 or 403 to an error. `isLogin`: the credentials themselves were refused. */
export function denied(
  { host }: Endpoint,
  credentials: Credentials | undefined,
  status: number,
  isLogin: boolean,
): RegistryError {
  const { message, ...options } = deniedMessage(host, credentials, isLogin);
  return new RegistryError("REGISTRY_AUTH", message, status, options);
}
