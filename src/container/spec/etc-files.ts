/** The texts of a container's generated files: /etc/hosts, /etc/hostname, /etc/resolv.conf. Pure. */

/** hosts(5): the loopback names, the container's names, and extra_hosts (`name:address` or `name=address`). */
export function hostsFile(options: {
  hostname: string;
  domainname: string;
  addresses: readonly string[];
  extraHosts: readonly string[];
  hostGateway: string;
}): string {
  const { hostname, domainname } = options;
  const names = domainname ? `${hostname}.${domainname}\t${hostname}` : hostname;
  const lines = [
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "fe00::0\tip6-localnet",
    "ff00::0\tip6-mcastprefix",
    "ff02::1\tip6-allnodes",
    "ff02::2\tip6-allrouters",
    ...options.addresses.map((address) => `${address}\t${names}`),
    ...options.extraHosts.map((entry) => {
      const [, name = "", address = ""] = /^([^=:]+)[=:](.*)$/.exec(entry) ?? [];
      return `${address === "host-gateway" ? options.hostGateway : address.replace(/^\[|\]$/g, "")}\t${name}`;
    }),
  ];
  return `${lines.join("\n")}\n`;
}

/** resolv.conf(5). */
export function resolvFile(options: {
  servers: readonly string[];
  search: readonly string[];
  options: readonly string[];
}): string {
  const lines = options.servers.map((server) => `nameserver ${server}`);
  if (options.search.length > 0) lines.push(`search ${options.search.join(" ")}`);
  if (options.options.length > 0) lines.push(`options ${options.options.join(" ")}`);
  return `${lines.join("\n")}\n`;
}

/** The host's search domains. */
export function searchDomains(hostResolv: string): string[] {
  return hostResolv
    .split("\n")
    .flatMap((line) => /^\s*search\s+(.*)$/.exec(line)?.[1]?.trim().split(/\s+/) ?? []);
}
