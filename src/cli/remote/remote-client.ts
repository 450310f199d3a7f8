/** The client of the bayd that options, variables or a context select. */

import { BayError } from "../../core/errors.ts";
import { type HostAddress, parseHostAddress } from "../../core/host-address.ts";
import { Client, type ClientTls, openTransport } from "../../daemon/index.ts";
import type { Choice, HostOptions } from "./choose-host.ts";
import { tlsOf, tlsOfContext } from "./client-tls.ts";
import { Contexts } from "./contexts.ts";
import { namesTls } from "./tls-options.ts";

/** Throws BAD_HOST, UNKNOWN_CONTEXT, BAD_CONTEXT, NO_FILE, BAD_CERTIFICATE, TLS_REQUIRED. */
export async function remoteClient(
  choice: Exclude<Choice, { kind: "own" }>,
  options: HostOptions,
): Promise<Client> {
  const { address, tls } = targetOf(choice, options);
  try {
    return new Client(await openTransport(address, tls));
  } catch (error) {
    if (!(error instanceof BayError)) throw error;
    // the user may not have thought of a variable that is set
    throw new BayError(error.code, `${choice.from}: ${error.message}`, {
      hint: error.hint,
      cause: error.cause,
    });
  }
}

function targetOf(
  choice: Exclude<Choice, { kind: "own" }>,
  options: HostOptions,
): { address: HostAddress; tls: ClientTls | undefined } {
  if (choice.kind === "address") {
    const address = parseHostAddress(choice.address, choice.from);
    if (address.kind === "tcp") return { address, tls: tlsOf(options, process.env) };
    if (namesTls(options))
      throw new BayError("BAD_OPTION", `the options of TLS need a tcp:// address, got ${choice.address}`);
    return { address, tls: undefined };
  }
  if (namesTls(options))
    throw new BayError("BAD_OPTION", `the options of TLS cannot be used with the context ${choice.name}`, {
      hint: "a context has its own certificates; create another context with bay context create",
    });
  const contexts = new Contexts();
  const context = contexts.get(choice.name);
  const address = parseHostAddress(context.host, `the context ${choice.name}`);
  return { address, tls: address.kind === "tcp" ? tlsOfContext(contexts, context) : undefined };
}
