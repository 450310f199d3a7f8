/** `build:` of a service: a directory, or a mapping of build options. */
import { resolve } from "node:path";
import { whyNoReference } from "../../core/image-reference.ts";
import { toMapping } from "../files/merge.ts";
import type { StackBuild } from "../model/stack.ts";
import { readExtraHosts } from "./ports-and-networks.ts";
import { type ServiceReader, strings, textMap, truth } from "./service-reader.ts";

/** A source that is not a path: a URL, an image, or a repository in ssh form. */
export const REMOTE = /^[a-z][a-z-]*:\/\/|^[A-Za-z0-9_.-]+@[^/:\s]+:|^github\.com\/|^service:/;

/** BuildKit's. */
const ENTITLEMENTS = ["security.insecure", "network.host"];

/** The build of a service; undefined if it has none. */
export function readBuild(reader: ServiceReader): StackBuild | undefined {
  const given = reader.input.build;
  if (given === undefined) return undefined;
  const build = typeof given === "string" ? { context: given } : given;
  const { context = ".", dockerfile, dockerfile_inline: inline } = build;
  const bad = (path: (string | number)[], message: string) =>
    reader.bad(typeof given === "string" ? ["build"] : ["build", ...path], message);
  if (dockerfile !== undefined && inline !== undefined)
    bad(["dockerfile_inline"], "dockerfile and dockerfile_inline cannot be used together");
  if ((build.platforms?.length ?? 0) > 1) bad(["platforms"], "only one platform can be built at a time");
  const { directory, variables } = reader.context;
  const network = build.network ?? "default";
  if (!["default", "bridge", "host", "none"].includes(network))
    bad(["network"], `expected default, host or none, got ${JSON.stringify(network)}`);
  const unknown = (build.entitlements ?? []).find((name) => !ENTITLEMENTS.includes(name));
  if (unknown !== undefined)
    bad(["entitlements"], `unknown entitlement ${unknown}; expected ${ENTITLEMENTS.join(" or ")}`);
  build.tags?.forEach((tag, index) => {
    const wrong = whyNoReference(tag);
    if (wrong) bad(["tags", index], wrong);
  });
  if (Array.isArray(build.additional_contexts)) {
    const bare = build.additional_contexts.findIndex((entry) => !String(entry).includes("="));
    if (bare !== -1) bad(["additional_contexts", bare], "expected NAME=CONTEXT");
  }
  const placed = (text: string) => (REMOTE.test(text) ? text : resolve(directory, text));
  const contexts = Object.entries(textMap(build.additional_contexts)).map(([name, value]) => {
    const layout = /^oci-layout:\/\/(.+)$/.exec(value)?.[1];
    return [name, layout ? `oci-layout://${resolve(directory, layout)}` : placed(value)] as const;
  });
  return {
    context: placed(context),
    dockerfile: inline === undefined ? (dockerfile ?? "Dockerfile") : undefined,
    inline,
    args: valuesOf(build.args, variables),
    target: build.target || undefined,
    contexts: Object.fromEntries(contexts),
    cacheFrom: build.cache_from ?? [],
    cacheTo: build.cache_to ?? [],
    noCache: truth(build.no_cache),
    noCacheFilter: strings(build.no_cache_filter),
    pull: truth(build.pull),
    labels: textMap(build.labels),
    secrets: Object.fromEntries(
      (build.secrets ?? []).map((use) => {
        const { source, target = source } = typeof use === "string" ? { source: use } : use;
        return [target, source] as const;
      }),
    ),
    network: network === "default" ? "bridge" : (network as StackBuild["network"]),
    shmSize: reader.bytes(["build", "shm_size"], build.shm_size),
    extraHosts: build.extra_hosts ? readExtraHosts(reader, ["build", "extra_hosts"], build.extra_hosts) : [],
    ssh: sshOf(build.ssh, variables, (message) => reader.warn(["build", "ssh"], message)),
    tags: build.tags ?? [],
    platform: build.platforms?.[0],
    ulimits: Object.fromEntries(
      Object.entries(build.ulimits ?? {}).map(([name, value]) => {
        const { soft, hard } = typeof value === "object" ? value : { soft: value, hard: value };
        return [name, { soft: Number(soft), hard: Number(hard) }];
      }),
    ),
    insecure: truth(build.privileged) || (build.entitlements ?? []).includes("security.insecure"),
    // as with Docker's client, the network of the whole build grants it to its steps
    hostNetwork: network === "host" || (build.entitlements ?? []).includes("network.host"),
  };
}

/** An argument without a value takes that of the environment variable with its name; it is left out if there is none. */
function valuesOf(given: unknown, variables: (name: string) => string | undefined): Record<string, string> {
  return Object.fromEntries(
    Object.entries(toMapping(given)).flatMap(([name, value]) => {
      const text = value === null ? variables(name) : String(value);
      return text === undefined ? [] : [[name, text] as const];
    }),
  );
}

/** `default`, or ID=SOCKET. */
function sshOf(
  given: unknown,
  variables: (name: string) => string | undefined,
  warn: (message: string) => void,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(toMapping(given)).flatMap(([id, value]) => {
      const socket = value === null ? variables("SSH_AUTH_SOCK") : String(value);
      if (socket) return [[id, socket] as const];
      warn("SSH_AUTH_SOCK is not set, so builds that need an SSH agent will fail");
      return [];
    }),
  );
}
