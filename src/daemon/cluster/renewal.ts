/** The certificate of this host: replaced on request, and before it ends. */
import { z } from "zod";
import { messageOf } from "../../core/errors.ts";
import type { Cluster } from "../../host/index.ts";
import { askJson } from "./member-client.ts";

/** Milliseconds between two looks at the certificate, which is valid for months. */
const INTERVAL = 3_600_000;

/** Renews the certificate in the last third of its time; a failed attempt is repeated an hour later. */
export function keepRenewed(cluster: Cluster, warn: (text: string) => void): void {
  setInterval(() => {
    renewIfDue(cluster).catch((error: unknown) =>
      warn(`the certificate of this host could not be renewed: ${messageOf(error)}`),
    );
  }, INTERVAL).unref();
}

/** Returns true if the certificate was renewed. Throws HOST_UNREACHABLE. */
export async function renewIfDue(cluster: Cluster, now = Date.now()): Promise<boolean> {
  const { identity, self } = cluster.membership;
  if (!identity || !self) return false;
  const { isDueForRenewal } = await import("../../host/join.ts");
  if (!isDueForRenewal(identity.certificate, now)) return false;
  await renewCertificate(cluster);
  return true;
}

/**
 * Gets this host another key and certificate; then the ones before count no more. A kill in between leaves both valid. Throws
 * NOT_A_MEMBER, HOST_UNREACHABLE.
 */
export async function renewCertificate(cluster: Cluster): Promise<void> {
  const { membership } = cluster;
  const { id, authorityKey } = membership.requireIdentity();
  const { requestCertificate, validFrom } = await import("../../host/join.ts");
  const { request, key } = await requestCertificate();
  const authority = membership.authority!;
  const ask = (action: string, body: unknown) =>
    askJson(cluster, authority, "POST", `/bay/v1/hosts/${id}/${action}`, { body });
  const isHere = authorityKey !== undefined;
  const certificate = isHere
    ? await membership.renew(id, request)
    : z.object({ certificate: z.string().max(100_000) }).parse(await ask("renew", { request })).certificate;
  membership.useCertificate(certificate, key);
  const from = validFrom(certificate);
  if (isHere) await membership.retire(id, from);
  else await ask("retire", { validFrom: from });
}
