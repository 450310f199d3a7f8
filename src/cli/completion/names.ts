/** Names for completion: from the stack's file, and from bayd if it runs. Unreadable sources yield no names. */
import type { Context } from "../context.ts";

export interface Names {
  services(): Promise<string[]>;
  profiles(): Promise<string[]>;
  stacks(): Promise<string[]>;
  containers(): Promise<string[]>;
  images(): Promise<string[]>;
  volumes(): Promise<string[]>;
  networks(): Promise<string[]>;
  contexts(): Promise<string[]>;
  /** Sources of gitops. */
  sources(): Promise<string[]>;
  /** Members of the cluster. */
  hosts(): Promise<string[]>;
}

const MOST = 10_000;

/** The shell cannot show an error during completion. */
async function orNone(look: () => Promise<string[]>): Promise<string[]> {
  try {
    return [...new Set(await look())].slice(0, MOST);
  } catch {
    return [];
  }
}

export function namesFrom(context: () => Context): Names {
  const ask = async <T>(path: string) => (await context().client()).json<T>("GET", path);
  return {
    services: () =>
      orNone(async () => {
        const own = context();
        await own.stack();
        return [...own.knownServices];
      }),
    profiles: () =>
      orNone(async () => {
        const { readMerged } = await import("../../stack/files/merge-files.ts");
        const own = context();
        const { value } = await own.load(own.loadOptions(), (request) => readMerged(request));
        const { services = {} } = value as { services?: Record<string, { profiles?: unknown[] } | null> };
        return Object.values(services).flatMap((service) => (service?.profiles ?? []).map(String));
      }),
    stacks: () =>
      orNone(async () => (await ask<{ name: string }[]>("/bay/v1/stacks")).map(({ name }) => name)),
    containers: () =>
      orNone(async () =>
        (await ask<{ Names: string[] }[]>("/containers/json?all=1")).flatMap(({ Names }) =>
          Names.map((name) => name.slice(1)),
        ),
      ),
    images: () =>
      orNone(async () =>
        (await ask<{ RepoTags: string[] }[]>("/images/json")).flatMap(({ RepoTags }) => RepoTags),
      ),
    volumes: () =>
      orNone(async () =>
        (await ask<{ Volumes: { Name: string }[] }>("/volumes")).Volumes.map(({ Name }) => Name),
      ),
    contexts: () =>
      orNone(async () => {
        const { Contexts, DEFAULT_CONTEXT } = await import("../remote/contexts.ts");
        return [DEFAULT_CONTEXT, ...new Contexts().names()];
      }),
    sources: () =>
      orNone(async () => (await ask<{ name: string }[]>("/bay/v1/gitops")).map(({ name }) => name)),
    hosts: () => orNone(async () => (await ask<{ name: string }[]>("/bay/v1/hosts")).map(({ name }) => name)),
    networks: () => orNone(async () => (await ask<{ Name: string }[]>("/networks")).map(({ Name }) => Name)),
  };
}
