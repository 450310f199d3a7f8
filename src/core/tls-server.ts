/** Options that all TLS listeners of bayd share. Each checks the certificates of its clients itself. */

import { constants } from "node:crypto";
import { LIMITS } from "./limits.ts";

export const TLS_SERVER = {
  minVersion: "TLSv1.3",
  requestCert: true,
  // a client that is refused gets the reason as an answer, which a TLS alert cannot carry
  rejectUnauthorized: false,
  // a client of exec or attach ends its input before it has read all output
  allowHalfOpen: true,
  // a resumed session would bring the result of an earlier check of the certificate
  secureOptions: constants.SSL_OP_NO_TICKET,
} as const;

/** Milliseconds for a handshake; a client that is slower is disconnected. */
export const HANDSHAKE_TIMEOUT = LIMITS.pendingClients.handshakeTime;
