/**
 * Downloads a file from a web server, through the proxies of the environment and with the certificates configured for its
 * host.
 */

import { createWriteStream } from "node:fs";
import { dirname } from "node:path";
import { pipeline } from "node:stream/promises";
import { request } from "undici";
import { BayError, hasCode, messageOf } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { VERSION } from "../../core/version.ts";
import { requireRoom } from "../../store/index.ts";
import { closeConnections, dispatcherFor } from "../registry/endpoint.ts";

export interface Fetched {
  headers: Record<string, string | string[] | undefined>;
  /** The URL of the response, after redirects. */
  url: URL;
}

const MAX_REDIRECTS = LIMITS.image.downloadRedirects;

/** Downloads a URL to a new file. Throws BAD_URL, FETCH_FAILED, and system errors of the file. */
export async function fetchUrl(
  text: string,
  file: string,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<Fetched> {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol))
    throw new BayError("BAD_URL", `invalid http or https URL ${JSON.stringify(text)}`);
  let url = new URL(text);
  try {
    for (let redirects = 0; ; redirects++) {
      const headers = { "user-agent": `bay/${VERSION}` };
      const answer = await request(url, { headers, dispatcher: dispatcherFor(url.host, false), signal });
      const location = [answer.headers.location ?? []].flat()[0];
      if (answer.statusCode >= 300 && answer.statusCode < 400 && location) {
        await answer.body.dump();
        if (redirects >= MAX_REDIRECTS) throw failed(url, "it has a redirect loop");
        url = safeRedirect(url, location);
        continue;
      }
      if (answer.statusCode !== 200) {
        await answer.body.dump();
        throw failed(url, `the server answered ${answer.statusCode}`);
      }
      const out = createWriteStream(file, { flags: "wx", mode: 0o600 });
      await pipeline(answer.body, whileThereIsRoom(dirname(file)), out, { signal });
      return { headers: answer.headers, url };
    }
  } catch (cause) {
    if (cause instanceof BayError || hasCode(cause, "ENOSPC", "EDQUOT")) throw cause;
    if (signal?.aborted) throw new BayError("ABORTED", "the download was interrupted", { cause });
    throw failed(url, messageOf(cause), cause);
  } finally {
    void closeConnections();
  }
}

/** Bytes between two checks of the free disk space. */
const LOOK_EVERY = 4 << 20;

/** Passes on data as long as the disk has space beyond the reserve. Throws DISK_FULL. */
function whileThereIsRoom(folder: string) {
  return async function* (parts: AsyncIterable<Buffer>) {
    let [size, looked] = [0, 0];
    for await (const part of parts) {
      if (size >= looked) {
        requireRoom(folder);
        looked = size + LOOK_EVERY;
      }
      size += part.length;
      yield part;
    }
  };
}

/** Rejects a redirect from TLS to plain HTTP. */
function safeRedirect(from: URL, location: string): URL {
  const to = new URL(location, from);
  if (to.protocol !== "https:" && (to.protocol !== "http:" || from.protocol === "https:"))
    throw failed(from, `it redirects to ${to.protocol}//${to.host}, which is not secure`);
  return to;
}

function failed(url: URL, why: string, cause?: unknown): BayError {
  return new BayError("FETCH_FAILED", `${url.origin}${url.pathname} cannot be downloaded: ${why}`, { cause });
}
