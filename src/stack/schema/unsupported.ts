/** Keys of the Compose specification that bay knows and does not carry out, each with the reason. */

const WINDOWS = "it is an option of Windows containers";

/** For a key at a place (a regular expression of the path with dots) the reason. */
const UNSUPPORTED: { at: RegExp; keys: Readonly<Record<string, string>> }[] = [
  {
    at: /^$/,
    keys: { models: "bay runs no models; a service with a model's server does" },
  },
  {
    at: /^services\.[^.]+$/,
    keys: {
      cpu_count: WINDOWS,
      cpu_percent: WINDOWS,
      cpu_rt_period: "distributions' kernels have no real-time groups; cpus and cpu_shares divide the time",
      cpu_rt_runtime: "distributions' kernels have no real-time groups; cpus and cpu_shares divide the time",
      credential_spec: WINDOWS,
      models: "bay runs no models; a service with a model's server does",
      provider: "bay runs containers, and no programs of others that provide services",
      storage_opt: "a container's layer has no size of its own; a volume of a file system with quotas has",
      use_api_socket: "it gives the container all rights on the host",
    },
  },
  {
    at: /^services\.[^.]+\.build$/,
    keys: {
      isolation: WINDOWS,
      provenance: "images have no attestations yet",
      sbom: "images have no attestations yet",
    },
  },
  {
    at: /^services\.[^.]+\.deploy\.resources\.reservations$/,
    keys: { generic_resources: "they count among several hosts", pids: "only limits has it" },
  },
  {
    at: /^services\.[^.]+\.networks\.[^.]+$/,
    keys: {
      driver_opts: "a container's link has no options",
      link_local_ips: "a container has one address on each network",
    },
  },
  { at: /^networks\.[^.]+\.ipam$/, keys: { options: "the default IPAM driver has none" } },
  {
    at: /^(secrets|configs)\.[^.]+$/,
    keys: {
      external:
        "bay keeps no secrets and configs by themselves: say where the content is, by file or environment",
      driver: "there are no drivers of secrets",
      driver_opts: "there are no drivers of secrets",
      template_driver: "there are no templates; a config's content has its variables replaced",
    },
  },
  {
    at: /^images\.[^.]+$/,
    keys: { build: "a service's build: makes an image", registry: "an image of a registry needs no entry" },
  },
];

/** Why a key that Compose (or bay's design) has is not carried out; undefined for every other key. */
export function whyUnsupported(path: readonly string[], key: string): string | undefined {
  const at = path.join(".");
  const rule = UNSUPPORTED.find((each) => each.at.test(at) && Object.hasOwn(each.keys, key));
  return rule?.keys[key];
}
