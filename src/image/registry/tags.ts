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
const MAX_PAGES = 1000;
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
  const refused = (what: string) => new BayError("REGISTRY_ANSWER", `${endpoint.host} sent ${what}`);
  const tags: string[] = [];
  const asked = new Set<string>();
  let path: string | undefined = `${first}?n=${PAGE_SIZE}`;
  try {
    while (path !== undefined) {
      if (asked.has(path)) throw refused(`the same page of the list of tags of ${repository} twice`);
      if (asked.size >= MAX_PAGES)
        throw refused(`more than ${MAX_PAGES} pages of the list of tags of ${repository}`);
      asked.add(path);
      const answer = await client.request(path, {
        scopes: [`repository:${repository}:pull`],
        expect: [200],
        signal,
      });
      const parsed = answerSchema.safeParse(tryJson((await readAnswer(answer.body)).toString("utf8")));
      if (!parsed.success) throw refused(`an invalid list of tags of ${repository}`);
      tags.push(...(parsed.data.tags ?? []).filter((tag) => TAG.test(tag)));
      if (tags.length > MAX_TAGS)
        throw new BayError("REGISTRY_ANSWER", `${registry}/${repository} has more than ${MAX_TAGS} tags`);
      const next = nextOf([answer.headers.link ?? []].flat());
      const query = next === undefined ? undefined : queryOf(next);
      if (query === "") throw refused(`an invalid link to the next tags of ${repository}`);
      // only the query is taken, so that a registry cannot lead to another host or path
      path = query === undefined ? undefined : first + query;
    }
  } finally {
    void closeConnections();
  }
  return tags;
}

/** The target of the link with the relation `next` (RFC 8288), which a header can have among others. */
function nextOf(headers: readonly string[]): string | undefined {
  for (const [, target = "", parameters = ""] of headers.join(", ").matchAll(/<([^>]*)>([^<]*)/g))
    if (/;\s*rel\s*=\s*("([^"]*\s)?next(\s[^"]*)?"|next\s*(?=[;,]|$))/i.test(parameters)) return target;
  return undefined;
}

/** The query with its `?`; empty if there is none. */
const queryOf = (target: string): string =>
  URL.canParse(target, "http://localhost") ? new URL(target, "http://localhost").search : "";
