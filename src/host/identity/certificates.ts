/**
 * The cluster's certificates (RFC 5280): an authority with its own key, and a certificate for each host, whose common name is
 * the host's ID. Keys are ECDSA on P-256. Imported only by hosts of a cluster.
 */
import "reflect-metadata";
import {
  createPrivateKey,
  createPublicKey,
  sign,
  verify,
  type webcrypto,
  X509Certificate,
} from "node:crypto";
import {
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  X509Certificate as PeculiarCertificate,
  PemConverter,
  Pkcs10CertificateRequest,
  Pkcs10CertificateRequestGenerator,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { BayError } from "../../core/errors.ts";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const DAY = 86_400_000;
const AUTHORITY_DAYS = 3650;
/** A host's certificate is renewed in the last third of this time. */
const HOST_DAYS = 90;
/** Clocks of hosts may differ. */
const CLOCK_SKEW = 3_600_000;

cryptoProvider.set(globalThis.crypto);

/** A certificate and its private key, as PEM (RFC 7468). */
export interface KeyPair {
  certificate: string;
  key: string;
}

/** A new key, and the request for a certificate that proves its possession (RFC 2986). */
export interface CertificateRequest {
  request: string;
  key: string;
}

const newKeys = () => crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);

async function keyText(key: webcrypto.CryptoKey): Promise<string> {
  return PemConverter.encode(await crypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY");
}

export async function createAuthority(cluster: string): Promise<KeyPair> {
  const keys = await newKeys();
  const now = Date.now();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: `CN=bay cluster ${cluster}`,
    keys,
    signingAlgorithm: ALGORITHM,
    notBefore: new Date(now - CLOCK_SKEW),
    notAfter: new Date(now + AUTHORITY_DAYS * DAY),
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
  });
  return { certificate: certificate.toString("pem"), key: await keyText(keys.privateKey) };
}

export async function requestCertificate(): Promise<CertificateRequest> {
  const keys = await newKeys();
  const request = await Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm: ALGORITHM });
  return { request: request.toString("pem"), key: await keyText(keys.privateKey) };
}

/**
 * Issues a host's certificate for a request. Its time begins after `later`, that of the certificate before. Throws BAD_REQUEST if
 * the request is malformed or its signature is wrong.
 */
export async function issueCertificate(
  authority: KeyPair,
  text: string,
  host: string,
  later = 0,
): Promise<string> {
  const request = await readRequest(text);
  const issuer = new PeculiarCertificate(authority.certificate);
  const now = Date.now();
  // X.509 has whole seconds
  const begin = Math.max(Math.floor((now - CLOCK_SKEW) / 1000) * 1000, later + 1000);
  const certificate = await X509CertificateGenerator.create({
    subject: `CN=${host}`,
    issuer: issuer.subject,
    publicKey: await request.publicKey.export(),
    signingKey: await importKey(authority.key),
    signingAlgorithm: ALGORITHM,
    notBefore: new Date(begin),
    notAfter: new Date(now + HOST_DAYS * DAY),
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
    ],
  });
  return certificate.toString("pem");
}

async function readRequest(text: string): Promise<Pkcs10CertificateRequest> {
  try {
    const request = new Pkcs10CertificateRequest(text);
    if (await request.verify()) return request;
  } catch (cause) {
    throw new BayError("BAD_REQUEST", "the certificate request is malformed", { cause });
  }
  throw new BayError("BAD_REQUEST", "the signature of the certificate request is wrong");
}

const importKey = (pem: string) =>
  crypto.subtle.importKey("pkcs8", PemConverter.decodeFirst(pem), ALGORITHM, false, ["sign"]);

/** When a certificate begins to be valid, in milliseconds since the epoch. */
export const validFrom = (pem: string): number => Date.parse(new X509Certificate(pem).validFrom);

/** Whether a certificate is in the last third of its time. */
export function isDueForRenewal(pem: string, now = Date.now()): boolean {
  return Date.parse(new X509Certificate(pem).validTo) - now < (HOST_DAYS / 3) * DAY;
}

/** Signs a text with the authority's key. */
export const signText = (text: string, key: string): string =>
  sign("sha256", Buffer.from(text), createPrivateKey(key)).toString("base64");

/** Whether the authority signed the text. */
export function isSigned(text: string, signature: string, authority: string): boolean {
  try {
    return verify("sha256", Buffer.from(text), createPublicKey(authority), Buffer.from(signature, "base64"));
  } catch {
    return false;
  }
}
