/** Errors of a registry, with the HTTP status of its answer. */
import type { ErrorCode } from "../../core/error-codes/table.ts";
import { BayError } from "../../core/errors.ts";
import type { Credentials } from "./credentials.ts";
import type { Endpoint } from "./endpoint.ts";
import { deniedMessage } from "./refusals.ts";

/** A refusal, with the status and what the registry says of it. */
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

/** A 401 or 403 as an error. `isLogin`: the registry asked for the credentials themselves. */
export function denied(
  { host }: Endpoint,
  credentials: Credentials | undefined,
  status: number,
  isLogin: boolean,
): RegistryError {
  const { message, ...options } = deniedMessage(host, credentials, isLogin);
  return new RegistryError("REGISTRY_AUTH", message, status, options);
}
