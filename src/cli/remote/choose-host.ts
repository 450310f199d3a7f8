/** Which bayd a command talks to: by options, variables and contexts, in the order of Docker's client. */
import { basename } from "node:path";
import { BayError } from "../../core/errors.ts";
import { type Contexts, DEFAULT_CONTEXT } from "./contexts.ts";

/** Options of every command. */
export interface HostOptions {
  host?: string;
  context?: string;
  tls?: boolean;
  tlsverify?: boolean;
  tlscacert?: string;
  tlscert?: string;
  tlskey?: string;
}

export type Choice =
  /** bayd of this computer's own roots. */
  | { kind: "own" }
  /** `from` says where the address comes from. */
  | { kind: "address"; address: string; from: string }
  | { kind: "context"; name: string; from: string };

type Known = Pick<Contexts, "has" | "inUse">;

const OWN: Choice = { kind: "own" };

/**
 * The options first, then bay's variables, then Docker's, then the context that `bay context use` chose. Throws BAD_OPTION if
 * both --host and --context are given.
 */
export function chooseHost(
  options: HostOptions,
  environment: NodeJS.ProcessEnv,
  contexts: () => Known,
): Choice {
  if (options.host !== undefined && options.context !== undefined)
    throw new BayError("BAD_OPTION", "--host and --context cannot be used together");
  if (options.context !== undefined) return contextOf(options.context, "--context");
  if (options.host !== undefined) return { kind: "address", address: options.host, from: "--host" };
  const { BAY_HOST, BAY_CONTEXT, DOCKER_HOST, DOCKER_CONTEXT } = environment;
  if (BAY_HOST) return { kind: "address", address: BAY_HOST, from: "BAY_HOST" };
  if (BAY_CONTEXT) return contextOf(BAY_CONTEXT, "BAY_CONTEXT");
  if (DOCKER_HOST && isForBay(DOCKER_HOST))
    return { kind: "address", address: DOCKER_HOST, from: "DOCKER_HOST" };
  if (DOCKER_CONTEXT && (DOCKER_CONTEXT === DEFAULT_CONTEXT || contexts().has(DOCKER_CONTEXT)))
    return contextOf(DOCKER_CONTEXT, "DOCKER_CONTEXT");
  return contextOf(contexts().inUse(), "bay context use");
}

const contextOf = (name: string, from: string): Choice =>
  name === DEFAULT_CONTEXT ? OWN : { kind: "context", name, from };

/**
 * A unix socket in DOCKER_HOST is nearly always that of another engine on this computer (Docker's, rootless Docker's,
 * Podman's), which the user has beside bay. It counts for bay only if it has the name of bayd's socket.
 */
export const isForBay = (dockerHost: string): boolean =>
  !/^(unix|fd|npipe):/i.test(dockerHost) || basename(dockerHost) === "bay.sock";
