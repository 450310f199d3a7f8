/** The certificates with which a command connects by TCP: from options, and from Docker's variables. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { BayError } from "../../core/errors.ts";
import type { ClientTls } from "../../daemon/index.ts";
import type { HostOptions } from "./choose-host.ts";
import { type BayContext, type Contexts, PEM_FILES, type Pem, readPem } from "./contexts.ts";

const OPTIONS = { ca: "--tlscacert", cert: "--tlscert", key: "--tlskey" } as const;

/**
 * TLS of a TCP address; undefined for a plain connection. As in Docker's client, files that are not named are those of
 * DOCKER_CERT_PATH, or of the folder of Docker's configuration. Throws NO_FILE, BAD_CERTIFICATE.
 */
export function tlsOf(options: HostOptions, environment: NodeJS.ProcessEnv): ClientTls | undefined {
  const { DOCKER_TLS_VERIFY, DOCKER_TLS, DOCKER_CERT_PATH, DOCKER_CONFIG } = environment;
  const verify = options.tlsverify ?? Boolean(DOCKER_TLS_VERIFY);
  const given = { ca: options.tlscacert, cert: options.tlscert, key: options.tlskey };
  const isNamed = Object.values(given).some((path) => path !== undefined);
  if (!verify && !options.tls && !DOCKER_TLS && !isNamed) return undefined;
  const folder = DOCKER_CERT_PATH || DOCKER_CONFIG || join(homedir(), ".docker");
  const pem: Pem = {};
  for (const kind of ["ca", "cert", "key"] as const) {
    const path = given[kind] ?? join(folder, PEM_FILES[kind]);
    // the server decides whether it needs a client certificate
    if (given[kind] !== undefined || existsSync(path)) pem[kind] = readPem(path, OPTIONS[kind]);
  }
  // files that are named without --tls are given in order to be checked
  const isVerified = verify || (options.tls === undefined && !DOCKER_TLS);
  if (isVerified && pem.ca === undefined)
    throw new BayError("NO_FILE", `--tlsverify: ${join(folder, PEM_FILES.ca)} does not exist`, {
      hint: "give the CA certificate of that host with --tlscacert, or set DOCKER_CERT_PATH",
    });
  return clientTls(pem, isVerified);
}

/** TLS of a context. Throws BAD_CERTIFICATE. */
export function tlsOfContext(contexts: Contexts, context: BayContext): ClientTls | undefined {
  return context.tls === "none" ? undefined : clientTls(contexts.pem(context), context.tls === "verify");
}

/** Checks that the certificate and the key belong together. Throws BAD_CERTIFICATE. */
export function clientTls({ ca, cert, key }: Pem, verify: boolean): ClientTls {
  if ((cert === undefined) !== (key === undefined))
    throw new BayError("BAD_CERTIFICATE", "a client certificate and its key are needed together", {
      hint: "give both --tlscert and --tlskey",
    });
  if (cert !== undefined && key !== undefined) checkPair(cert, key);
  return { ca, cert, key, verify };
}

function checkPair(cert: string, key: string): void {
  let fits: boolean;
  try {
    fits = new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch (cause) {
    throw new BayError("BAD_CERTIFICATE", "the client certificate or its key cannot be read", {
      cause,
      hint: "expected PEM files, and a key without a password",
    });
  }
  if (!fits) throw new BayError("BAD_CERTIFICATE", "the key does not belong to the client certificate");
}
