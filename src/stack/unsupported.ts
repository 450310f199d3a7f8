/** Keys of the Compose specification that bay knows and cannot do yet: using one is an error that says so. */

const words = (text: string) => new Set(text.trim().split(/\s+/));

export const UNSUPPORTED: { at: RegExp; keys: ReadonlySet<string> }[] = [
  {
    at: /^services\.[^.]+\.build$/,
    keys: words("isolation provenance sbom"),
  },
  { at: /^$/, keys: words("models") },
  {
    at: /^services\.[^.]+$/,
    keys: words(`blkio_config cgroup cgroup_parent cpu_count cpu_percent cpu_rt_period
      cpu_rt_runtime credential_spec develop device_cgroup_rules external_links gpus isolation
      mac_address mem_swappiness models oom_kill_disable post_start pre_stop provider
      runtime storage_opt use_api_socket userns_mode uts volumes_from`),
  },
  {
    at: /^services\.[^.]+\.deploy$/,
    keys: words("rollback_config update_config"),
  },
  { at: /^services\.[^.]+\.deploy\.resources\.reservations$/, keys: words("devices generic_resources pids") },
  {
    at: /^services\.[^.]+\.networks\.[^.]+$/,
    keys: words("driver_opts gw_priority interface_name ipv6_address link_local_ips mac_address"),
  },
  { at: /^services\.[^.]+\.volumes\.\d+$/, keys: words("consistency image") },
  { at: /^services\.[^.]+\.volumes\.\d+\.(bind|volume)$/, keys: words("propagation selinux subpath labels") },
  { at: /^networks\.[^.]+\.ipam(\.config\.\d+)?$/, keys: words("options ip_range aux_addresses") },
  { at: /^images\.[^.]+$/, keys: words("build registry") },
];

/** True where Compose (or bay's design) has this key and bay does not support it yet. */
export function isUnsupported(path: readonly string[], key: string): boolean {
  const at = path.join(".");
  return UNSUPPORTED.some((rule) => rule.at.test(at) && rule.keys.has(key));
}
