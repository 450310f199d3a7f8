/** Errors of TLS (OpenSSL's and Node's codes) as sentences, for both sides of a connection. Pure. */

/** What is wrong with the certificate of the other side (X509_STORE_CTX_get_error(3), and Node's check of the name). */
const CERTIFICATE: Readonly<Record<string, string>> = {
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "is signed by an unknown authority",
  UNABLE_TO_GET_ISSUER_CERT: "is signed by an unknown authority",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "is signed by an unknown authority",
  SELF_SIGNED_CERT_IN_CHAIN: "is signed by an unknown authority",
  DEPTH_ZERO_SELF_SIGNED_CERT: "is self-signed, and is not the certificate of the authority",
  CERT_SIGNATURE_FAILURE: "is signed by an unknown authority that has the name of the known one",
  CERT_HAS_EXPIRED: "has expired",
  CERT_NOT_YET_VALID: "is not valid yet; compare the clocks of both hosts",
  CERT_REVOKED: "was revoked",
  CERT_UNTRUSTED: "is not trusted",
  CERT_REJECTED: "is not accepted",
  INVALID_PURPOSE: "is not valid for this side of a connection (extended key usage)",
  INVALID_CA: "is signed by a certificate that is not an authority",
  PATH_LENGTH_EXCEEDED: "has too many intermediate authorities",
  CERT_CHAIN_TOO_LONG: "has too many intermediate authorities",
  ERR_TLS_CERT_ALTNAME_INVALID: "is valid for another host name",
};

/** The reason for which a certificate is not accepted; undefined for a code of another kind. */
export const certificateProblem = (code: string): string | undefined => CERTIFICATE[code];

/** Why the server does not accept the client (alerts of RFC 8446, section 6.2), by OpenSSL's name. */
const ALERTS: readonly (readonly [pattern: RegExp, problem: string])[] = [
  [/CERTIFICATE_REQUIRED/, "the server requires a client certificate"],
  [/ALERT_UNKNOWN_CA/, "the server does not know the authority of the client certificate"],
  [/ALERT_CERTIFICATE_EXPIRED/, "the client certificate has expired"],
  [/ALERT_CERTIFICATE_REVOKED/, "the client certificate was revoked"],
  [
    /ALERT_(BAD|UNSUPPORTED)_CERTIFICATE|ALERT_CERTIFICATE_UNKNOWN/,
    "the server rejected the client certificate",
  ],
  [/ALERT_ACCESS_DENIED/, "the server does not allow this client certificate"],
  [/HANDSHAKE_FAILURE|ALERT_INSUFFICIENT_SECURITY/, "the server rejected the handshake"],
  [/PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL/, "the server does not support TLS 1.3"],
  [/WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST/, "the server does not speak TLS on this port"],
];

/**
 * The meaning of an error of OpenSSL, whose name is in the code (ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED) or, for EPROTO, in
 * the message (`tlsv13 alert certificate required`); undefined for another error.
 */
export function alertProblem(code: string, message: string): string | undefined {
  const name =
    code === "EPROTO" ? message.toUpperCase().replaceAll(" ", "_") : code.startsWith("ERR_SSL_") ? code : "";
  return ALERTS.find(([pattern]) => pattern.test(name))?.[1];
}
