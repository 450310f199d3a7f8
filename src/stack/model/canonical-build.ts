/** The build of a service as the mapping of a Compose file. */
import { filled, type Mapping, text } from "./canonical-values.ts";
import type { StackBuild } from "./stack-build.ts";

export function composeBuild(build: StackBuild): Mapping {
  return filled({
    context: build.context,
    dockerfile: build.dockerfile,
    dockerfile_inline: build.inline,
    args: build.args,
    target: build.target,
    additional_contexts: build.contexts,
    cache_from: build.cacheFrom,
    cache_to: build.cacheTo,
    no_cache: build.noCache || undefined,
    no_cache_filter: build.noCacheFilter,
    secrets: Object.entries(build.secrets).map(([target, source]) => ({ source, target })),
    pull: build.pull || undefined,
    labels: build.labels,
    network: build.network === "bridge" ? undefined : build.network,
    shm_size: text(build.shmSize),
    extra_hosts: build.extraHosts,
    ssh: build.ssh,
    tags: build.tags,
    platforms: build.platform === undefined ? undefined : [build.platform],
    ulimits: build.ulimits,
    privileged: build.insecure || undefined,
    entitlements: build.hostNetwork && build.network !== "host" ? ["network.host"] : undefined,
  });
}
