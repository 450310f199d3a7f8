/** Lists the repositories of a registry that supports it (OCI distribution, as in Docker's registry: GET /v2/_catalog). */

import { z } from "zod";
import { BayError } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { readAnswer } from "./answer.ts";
import { RegistryClient } from "./client.ts";
import type { Credentials } from "./credentials.ts";
import { closeConnections, endpointsOf } from "./endpoint.ts";
import { RegistryError } from "./registry-error.ts";
import { readSettings } from "./settings.ts";

const page = z.object({ repositories: z.array(z.string()).nullish() });
const SCOPES = ["registry:catalog:*"];
const PAGE_SIZE = 1000;
const MAX_PAGES = LIMITS.image.cataloguePages;

/**
 * Returns up to `limit` names of repositories that contain `term`, in a form that can be pulled. Throws NO_CATALOGUE if the
 * registry does not support it.
 */
export async function searchRegistry(
  registry: string,
  term: string,
  limit: number,
  credentials: Credentials | undefined,
): Promise<string[]> {
  const endpoint = endpointsOf(registry, readSettings()).find(({ isMirror }) => !isMirror)!;
  const client = new RegistryClient(endpoint, credentials);
  const found: string[] = [];
  let path: string | undefined = `/v2/_catalog?n=${PAGE_SIZE}`;
  try {
    for (let pages = 0; path !== undefined && pages < MAX_PAGES && found.length < limit; pages++) {
      const { names, next }: { names: string[]; next: string | undefined } = await readPage(client, path);
      found.push(...names.filter((name) => name.includes(term)).map((name) => `${registry}/${name}`));
      path = next;
    }
  } finally {
    void closeConnections();
  }
  return found.slice(0, limit);
}

async function readPage(
  client: RegistryClient,
  path: string,
): Promise<{ names: string[]; next: string | undefined }> {
  try {
    const { body, headers } = await client.request(path, { scopes: SCOPES, expect: [200] });
    const parsed = page.safeParse(JSON.parse((await readAnswer(body)).toString("utf8")));
    // RFC 8288: <URL>; rel="next"
    const next = /^<([^>]+)>;\s*rel="?next"?/.exec([headers.link ?? []].flat()[0] ?? "")?.[1];
    return { names: parsed.data?.repositories ?? [], next };
  } catch (cause) {
    if (cause instanceof RegistryError && cause.code === "REGISTRY_UNREACHABLE") throw cause;
    const { host } = client.endpoint;
    throw new BayError("NO_CATALOGUE", `${host} does not support listing repositories (/v2/_catalog)`, {
      cause,
      hint: `it may require a login: bay login ${host}; most public registries have no catalogue`,
    });
  }
}
