/** Joining a cluster: the requests of a host that is not a member yet, and their answers. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";
import { BayError, messageOf } from "../../core/errors.ts";
import { limitedLog } from "../../core/limited-log.ts";
import { LIMITS } from "../../core/limits.ts";
import { receivedError, type SentError } from "../../core/received-error.ts";
import { type Admission, type Cluster, hostFacts, ownFacts } from "../../host/index.ts";
import { sendError, sendJson } from "../api/http.ts";
import { parseJson, parseWith, readBody } from "../api/request-body.ts";

const JOIN_PATH = "/bay/v1/host/join";
/** A certificate request with its facts is a few kB. */
const MAX_BODY = LIMITS.cluster.joinBody;

const joinBody = z.object({
  id: z.string().regex(/^[0-9a-f]{16}$/),
  secret: z.string().regex(/^[\w-]{43}$/),
  request: z.string().max(8192),
  facts: hostFacts,
});

const admission = z.object({
  certificate: z.string().max(100_000),
  authority: z.string().max(100_000),
  cluster: z.string().regex(/^[0-9a-f]{32}$/),
  id: z.string().regex(/^[0-9a-f]{32}$/),
  list: z.object({ list: z.string().max(4 << 20), signature: z.string().max(1000) }),
});

/** Serves a connection that is not a member's: it may only ask to join. */
export function serveStranger(cluster: () => Cluster, warn: (text: string) => void) {
  const say = limitedLog(warn);
  return (request: IncomingMessage, response: ServerResponse): void => {
    request.on("error", () => {});
    response.on("error", () => {});
    admit(cluster(), request, response).catch((error: unknown) => {
      if (request.url === JOIN_PATH)
        say(`a host could not join from ${request.socket.remoteAddress}: ${messageOf(error)}`);
      sendError(response, error);
    });
  };
}

async function admit(cluster: Cluster, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== "POST" || request.url !== JOIN_PATH)
    throw new BayError("NOT_A_MEMBER", "this connection has no certificate of a member of the cluster");
  const {
    id,
    secret,
    request: certificateRequest,
    facts,
  } = parseWith(joinBody, parseJson(await readBody(request, MAX_BODY)));
  sendJson(response, 200, await cluster.membership.admit({ id, secret }, certificateRequest, facts));
}

export interface JoinOptions {
  address: string;
  port: number;
  token: string;
  name?: string | undefined;
  advertise?: string | undefined;
  listenPort?: number | undefined;
  labels?: Record<string, string> | undefined;
}

/** Makes this host a member. Throws ALREADY_MEMBER, BAD_TOKEN, BAD_MEMBER, HOST_UNREACHABLE, UNKNOWN_AUTHORITY, HOST_NAME_TAKEN. */
export async function joinCluster(cluster: Cluster, options: JoinOptions): Promise<void> {
  const { address, port, token, name, advertise, listenPort, labels } = options;
  const { askStranger, parseToken, requestCertificate } = await import("../../host/join.ts");
  cluster.membership.refuseMember();
  const { authorityDigest, id, secret } = parseToken(token);
  const { request, key } = await requestCertificate();
  const { status, text } = await askStranger({ address, port, authorityDigest }, async (reached) => {
    const facts = ownFacts({ name, address: advertise, port: listenPort, labels }, reached);
    return JSON.stringify({ id, secret, request, facts });
  });
  const answer: unknown = JSON.parse(text);
  if (status !== 200) throw receivedError(answer as SentError, "HOST_UNREACHABLE");
  await cluster.membership.accept(admission.parse(answer) satisfies Admission, key);
}
