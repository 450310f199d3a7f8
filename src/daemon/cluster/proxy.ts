/** Requests that a client sends to this bayd for another host: passed on over the cluster's TLS connections, unchanged. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { type Cluster, type Member, unreachable } from "../../host/index.ts";
import { markTaken } from "../api/connections.ts";

/** A member, and the path of the request there. */
export interface Target {
  member: Member;
  path: string;
}

/** Headers of one connection (RFC 9110, 7.6.1). */
const OF_CONNECTION = ["connection", "keep-alive", "transfer-encoding", "upgrade", "host"];

const passedHeaders = ({ headers }: IncomingMessage) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !OF_CONNECTION.includes(name)));

/** Passes a request on, and its response back. Throws HOST_UNREACHABLE. */
export function passOn(
  cluster: Cluster,
  { member, path }: Target,
  request: IncomingMessage,
  response: ServerResponse,
  noteAnswer?: (answer: IncomingMessage) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const call = cluster.request(member, {
      method: request.method,
      path,
      headers: { ...passedHeaders(request), host: member.name },
    });
    response.once("close", () => call.destroy());
    call.once("error", (cause) => (response.headersSent ? response.destroy() : reject(lost(member, cause))));
    call.once("response", (answer) => {
      const { connection: _, "keep-alive": __, "transfer-encoding": ___, ...headers } = answer.headers;
      response.writeHead(answer.statusCode ?? 502, headers);
      response.flushHeaders();
      noteAnswer?.(answer);
      answer.once("error", () => response.destroy());
      answer.pipe(response);
      answer.once("close", resolve);
    });
    request.pipe(call);
  });
}

/** Passes a request on that takes the connection over (attach, exec). Throws like `passOn`. */
export function passOnUpgrade(
  cluster: Cluster,
  { member, path }: Target,
  request: IncomingMessage,
  { socket, body }: { socket: Duplex; body: Buffer },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const call = cluster.request(member, {
      method: request.method,
      path,
      headers: {
        ...passedHeaders(request),
        host: member.name,
        connection: "Upgrade",
        upgrade: "tcp",
        "content-length": String(body.length),
      },
    });
    call.once("error", (cause) => reject(lost(member, cause)));
    call.once("response", (answer) => {
      // the other bayd refused: its answer goes to the client as it is
      markTaken(socket);
      const head = [
        `HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}`,
        "Content-Type: application/json",
      ];
      socket.write(`${head.join("\r\n")}\r\nConnection: close\r\n\r\n`);
      answer.pipe(socket);
      answer.once("close", resolve);
    });
    call.once("upgrade", (answer, far, head) => {
      markTaken(socket);
      const type = answer.headers["content-type"] ?? "application/vnd.docker.raw-stream";
      socket.write(
        `HTTP/1.1 101 UPGRADED\r\nContent-Type: ${type}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n`,
      );
      if (head.length > 0) far.unshift(head);
      far.on("error", () => socket.destroy());
      socket.on("error", () => far.destroy());
      far.once("close", () => socket.destroy());
      socket.once("close", () => far.destroy());
      far.pipe(socket);
      socket.pipe(far);
      resolve();
    });
    call.end(body);
  });
}

const lost = (member: Member, cause: Error) => unreachable(member, cause.message, cause);
