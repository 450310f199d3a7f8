/** Values of a service that have the right type but no valid meaning: reported early, and not by the kernel. */
import { isIP, isIPv4 } from "node:net";
import { posix } from "node:path";
import { capabilityName } from "../../core/capabilities.ts";
import { addressVersion } from "../../core/ip.ts";
import type { Service } from "../model/stack.ts";
import { HOST_NAME } from "../normalise/ports-and-networks.ts";
import type { ServiceReader } from "../normalise/service-reader.ts";
import { parseBytes } from "../normalise/values.ts";
import { checkLimits } from "./limits.ts";

const ULIMITS = new Set(
  "core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split(
    " ",
  ),
);
const TMPFS_OPTIONS =
  /^(ro|rw|(no|rel|strict|lazy)?atime|(no)?diratime|sync|async|exec|noexec|suid|nosuid|dev|nodev|size=\d+[kmgKMG%]?|mode=[0-7]+|uid=\d+|gid=\d+|nr_inodes=\d+[kmg]?|nr_blocks=\d+[kmg]?)$/;
const CPUSET = /^\d+(-\d+)?(,\d+(-\d+)?)*$/;

/** Reports everything that is wrong. */
export function checkValues(reader: ServiceReader, service: Service): void {
  const { resources } = service;
  const check = (isFine: boolean, path: (string | number)[], message: string) => {
    if (!isFine) reader.bad(path, message);
  };
  check(
    !service.user || /^[^:\s]+(:[^:\s]+)?$/.test(service.user),
    ["user"],
    `expected USER or USER:GROUP, got ${JSON.stringify(service.user)}`,
  );
  check(!service.workdir || posix.isAbsolute(service.workdir), ["working_dir"], "must be an absolute path");
  for (const [name, { soft, hard }] of Object.entries(service.ulimits)) {
    check(ULIMITS.has(name), ["ulimits", name], `unknown resource limit ${name}`);
    check(
      hard < 0 || (soft >= 0 && soft <= hard),
      ["ulimits", name],
      `the soft limit ${soft} is above the hard limit ${hard}`,
    );
  }
  for (const [key, names] of [
    ["cap_add", service.capAdd],
    ["cap_drop", service.capDrop],
  ] as const)
    names.forEach((name, index) => {
      check(capabilityName(name) !== undefined, [key, index], `unknown capability ${name}`);
    });
  check(Math.abs(service.oomScoreAdj) <= 1000, ["oom_score_adj"], "must be from -1000 to 1000");
  service.devices.forEach(({ target, access }, index) => {
    check(
      /^[rwm]{1,3}$/.test(access),
      ["devices", index],
      `invalid access ${access}: expected a combination of r, w and m`,
    );
    check(posix.isAbsolute(target), ["devices", index], `the target ${target} is not absolute`);
  });
  check(!resources.cpuset || CPUSET.test(resources.cpuset), ["cpuset"], "expected CPUs such as 0-3 or 0,2");
  check((resources.cpus ?? 0) >= 0, ["cpus"], "must not be negative");
  check(
    resources.memorySwap === undefined || resources.memorySwap <= 0 || resources.memory !== undefined,
    ["memswap_limit"],
    "needs a mem_limit, as it is the sum of memory and swap",
  );
  for (const mount of service.mounts) {
    if (mount.type !== "tmpfs") continue;
    const strange = mount.options.find((option) => !TMPFS_OPTIONS.test(option));
    check(strange === undefined, ["tmpfs"], `${mount.target}: unknown tmpfs option ${strange}`);
  }
  service.dns.forEach((address, index) => {
    check(isIP(address) > 0, ["dns", index], `invalid IP address ${JSON.stringify(address)}`);
  });
  const names = Object.values(service.networks).map((network) => network.interface);
  for (const [key, { ipv4, ipv6, aliases, mac, interface: name }] of Object.entries(service.networks)) {
    check(
      mac === undefined || /^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/.test(mac),
      reader.input.mac_address === undefined ? ["networks", key, "mac_address"] : ["mac_address"],
      `invalid MAC address ${JSON.stringify(mac)}: expected one of a single interface, such as 02:42:ac:11:00:02`,
    );
    check(
      name === undefined || (name !== "lo" && names.indexOf(name) === names.lastIndexOf(name)),
      ["networks", key, "interface_name"],
      `${JSON.stringify(name)} is taken`,
    );
    check(
      ipv4 === undefined || isIPv4(ipv4),
      ["networks", key, "ipv4_address"],
      `invalid IPv4 address ${JSON.stringify(ipv4)}`,
    );
    check(
      ipv6 === undefined || addressVersion(ipv6) === 6,
      ["networks", key, "ipv6_address"],
      `invalid IPv6 address ${JSON.stringify(ipv6)}`,
    );
    for (const alias of aliases)
      check(
        HOST_NAME.test(alias),
        ["networks", key, "aliases"],
        `invalid host name ${JSON.stringify(alias)}`,
      );
  }
  check(
    !service.hostname || HOST_NAME.test(service.hostname),
    ["hostname"],
    `invalid host name ${JSON.stringify(service.hostname)}`,
  );
  check(
    !service.domainname || HOST_NAME.test(service.domainname),
    ["domainname"],
    `invalid domain name ${JSON.stringify(service.domainname)}`,
  );
  for (const entry of service.extraHosts) {
    const address = entry.slice(entry.indexOf("=") + 1).replace(/^\[|\]$/g, "");
    check(
      address === "host-gateway" || isIP(address) > 0,
      ["extra_hosts"],
      `invalid address ${JSON.stringify(address)}: expected an IP address or host-gateway`,
    );
  }
  service.expose.forEach((port, index) => {
    check(
      /^\d{1,5}(-\d{1,5})?(\/(tcp|udp))?$/.test(port),
      ["expose", index],
      `invalid port ${JSON.stringify(port)}`,
    );
  });
  checkLinkNames(reader);
  checkTwice(reader);
  checkLimits(reader, service);
}

/** The names by which links reach their containers are names in the DNS. */
function checkLinkNames(reader: ServiceReader): void {
  for (const key of ["links", "external_links"] as const)
    (reader.input[key] ?? []).forEach((link, index) => {
      const [target = "", name = target] = link.split(":");
      if (!HOST_NAME.test(name)) reader.bad([key, index], `invalid host name ${JSON.stringify(name)}`);
    });
}

/** Compose rejects two values for the same thing if only one of them could apply. */
function checkTwice(reader: ServiceReader): void {
  const { input } = reader;
  const limits = input.deploy?.resources?.limits;
  const pairs: [string, unknown, string, unknown][] = [
    ["scale", input.scale, "deploy.replicas", input.deploy?.replicas],
    ["cpus", input.cpus, "deploy.resources.limits.cpus", limits?.cpus],
    ["mem_limit", input.mem_limit, "deploy.resources.limits.memory", limits?.memory],
    ["pids_limit", input.pids_limit, "deploy.resources.limits.pids", limits?.pids],
  ];
  const amount = (value: unknown) => parseBytes(value as string | number) ?? Number(value);
  for (const [key, one, other, two] of pairs) {
    if (one === undefined || two === undefined || amount(one) === amount(two)) continue;
    reader.bad([key], `${one} here and ${two} in ${other} cannot be used together`);
  }
}
