/** Keys of the Compose specification that bay recognises but does not support, each with the reason. */

const WINDOWS = "it applies to Windows containers only";

/** The reason for a key at a place (a regular expression of the path with dots). */
const UNSUPPORTED: { at: RegExp; keys: Readonly<Record<string, string>> }[] = [
  {
    at: /^$/,
    keys: { models: "bay does not run models; run a model server as a service" },
  },
  {
    at: /^services\.[^.]+$/,
    keys: {
      cpu_count: WINDOWS,
      cpu_percent: WINDOWS,
      cpu_rt_period:
        "kernels of Linux distributions do not support real-time groups; use cpus and cpu_shares",
      cpu_rt_runtime:
        "kernels of Linux distributions do not support real-time groups; use cpus and cpu_shares",
      credential_spec: WINDOWS,
      models: "bay does not run models; run a model server as a service",
      provider: "bay does not run external provider programs",
      storage_opt: "the writable layer has no size limit; use a volume on a file system with quotas",
      use_api_socket: "it would give the container full access to the host",
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
    keys: { generic_resources: "they apply to several hosts only", pids: "only limits supports it" },
  },
  {
    at: /^services\.[^.]+\.networks\.[^.]+$/,
    keys: {
      driver_opts: "the network interface of a container has no options",
      link_local_ips: "a container has one address on each network",
    },
  },
  { at: /^networks\.[^.]+\.ipam$/, keys: { options: "the default IPAM driver has no options" } },
  {
    at: /^(secrets|configs)\.[^.]+$/,
    keys: {
      external: "bay does not store secrets and configs: give the content with file or environment",
      driver: "secret drivers are not supported",
      driver_opts: "secret drivers are not supported",
      template_driver: "bay has no templates; variables in the content of a config are replaced",
    },
  },
  {
    at: /^images\.[^.]+$/,
    keys: {
      build: "use build: in a service to build an image",
      registry: "images from a registry need no entry",
    },
  },
];

/** Why a key of Compose (or of bay's design) is not supported; undefined for every other key. */
export function whyUnsupported(path: readonly string[], key: string): string | undefined {
  const at = path.join(".");
  const rule = UNSUPPORTED.find((each) => each.at.test(at) && Object.hasOwn(each.keys, key));
  return rule?.keys[key];
}
