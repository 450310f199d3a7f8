/**
 * Images for the other hosts of the cluster, as a registry serves them (OCI distribution specification, "Pull"): read-only, by
 * digest, and only on connections with a certificate of a member.
 */
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { BayError } from "../../../core/errors.ts";
import { MEDIA } from "../../../image/index.ts";
import { type Call, type Route, route } from "../http.ts";
import { peerOf } from "../peers.ts";
import type { Services } from "../server.ts";

const DIGEST = /^sha256:[0-9a-f]{64}$/;
const READ_AHEAD = 256 << 10;

export function distributionRoutes({ manager }: Services): Route[] {
  const { content } = manager.images;

  /** The file of a blob. Throws NO_ACCESS, BAD_DIGEST, MISSING_BLOB. */
  const pieceOf = ({ request, parts }: Call) => {
    const digest = parts[0]!;
    if (peerOf(request)?.kind !== "member")
      throw new BayError("NO_ACCESS", "images are served only to hosts of the cluster", {
        hint: "bay image save writes an image to a file",
      });
    if (!DIGEST.test(digest)) throw new BayError("BAD_DIGEST", "expected a sha256 digest");
    return { digest, ...content.piece(digest) };
  };

  const sendManifest = (call: Call) => {
    const { digest } = pieceOf(call);
    const bytes = content.read(digest);
    const isHead = call.request.method === "HEAD";
    call.response.writeHead(200, {
      "Content-Type": mediaTypeOf(bytes),
      "Content-Length": bytes.length,
      "Docker-Content-Digest": digest,
    });
    call.response.end(isHead ? undefined : bytes);
  };

  const sendBlob = async (call: Call) => {
    const { request, response } = call;
    const { digest, file, size } = pieceOf(call);
    const start = startOf(request.headers.range, size);
    response.writeHead(start === undefined ? 200 : 206, {
      "Content-Type": "application/octet-stream",
      "Content-Length": size - (start ?? 0),
      "Accept-Ranges": "bytes",
      "Docker-Content-Digest": digest,
      ...(start === undefined ? {} : { "Content-Range": `bytes ${start}-${size - 1}/${size}` }),
    });
    if (request.method === "HEAD" || size === 0) return void response.end();
    const source = createReadStream(file, { start: start ?? 0, end: size - 1, highWaterMark: READ_AHEAD });
    // a host that disconnects continues with a range
    await pipeline(source, response).catch(() => response.destroy());
  };

  return (["GET", "HEAD"] as const).flatMap((method) => [
    route(method, "/v2/bay/images/manifests/:", sendManifest),
    route(method, "/v2/bay/images/blobs/:", sendBlob),
  ]);
}

/** The first byte of a range to the end (RFC 9110, 14.1.2); undefined for the whole, which a server may always send. */
function startOf(range: string | undefined, size: number): number | undefined {
  const start = /^bytes=(\d{1,15})-$/.exec(range ?? "")?.[1];
  return start === undefined || Number(start) >= size ? undefined : Number(start);
}

function mediaTypeOf(bytes: Buffer): string {
  try {
    const { mediaType } = JSON.parse(bytes.toString("utf8")) as { mediaType?: unknown };
    if (typeof mediaType === "string" && /^[\w.+/-]{1,200}$/.test(mediaType)) return mediaType;
  } catch {
    // a blob that is not a manifest: the host that asks for it refuses it
  }
  return MEDIA.manifest;
}
