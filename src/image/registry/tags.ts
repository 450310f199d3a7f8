/** The tags of a repository in a registry (OCI distribution specification, "Listing Tags"). */
import { z } from "zod";
import { BayError } from "../../core/errors.ts";
import type { Reference } from "../../core/image-reference.ts";
import { readAnswer, tryJson } from "./answer.ts";
import { RegistryClient } from "./client.ts";
import type { Credentials } from "./credentials.ts";
import { closeConnections, endpointsOf } from "./endpoint.ts";
import { readSettings } from "./settings.ts";

const TAG = /^\w[\w.-]{0,127}$/;
const PAGE_SIZE = 1000;
const MAX_TAGS = 100_000;
const answerSchema = z.object({ tags: z.array(z.string()).max(MAX_TAGS).nullish() });

/** Tags that are not valid are left out. Throws errors of the registry, REGISTRY_ANSWER. */
export async function listTags(
  { registry, repository }: Reference,
  credentials: Credentials | undefined,
  signal: AbortSignal,
): Promise<string[]> {
  const endpoint = endpointsOf(registry, readSettings()).find(({ isMirror }) => !isMirror)!;
  const client = new RegistryClient(endpoint, credentials);
  const first = `/v2/${repository}/tags/list`;
  const tags: string[] = [];
  let path: string | undefined = `${first}?n=${PAGE_SIZE}`;
  try {
    while (path !== undefined) {
      const answer = await client.request(path, {
        scopes: [`repository:${repository}:pull`],
        expect: [200],
        signal,
      });
      const parsed = answerSchema.safeParse(tryJson((await readAnswer(answer.body)).toString("utf8")));
      if (!parsed.success)
        throw new BayError(
          "REGISTRY_ANSWER",
          `${endpoint.host} sent an invalid list of tags of ${repository}`,
        );
      tags.push(...(parsed.data.tags ?? []).filter((tag) => TAG.test(tag)));
      if (tags.length > MAX_TAGS)
        throw new BayError("REGISTRY_ANSWER", `${registry}/${repository} has more than ${MAX_TAGS} tags`);
      // RFC 8288: <URL>; rel="next". Only the position is taken, so that a registry cannot lead to another host or in a loop
      const next = /^<([^>]+)>;\s*rel="?next"?/.exec([answer.headers.link ?? []].flat()[0] ?? "")?.[1];
      const last: string | null = next ? new URL(next, "http://localhost").searchParams.get("last") : null;
      const following: string | undefined =
        last === null ? undefined : `${first}?n=${PAGE_SIZE}&last=${encodeURIComponent(last)}`;
      path = following === path || parsed.data.tags?.length === 0 ? undefined : following;
    }
  } finally {
    void closeConnections();
  }
  return tags;
}
