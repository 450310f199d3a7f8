/** What a stack with hosts asks for and cannot have: names, addresses and containers that belong to one host. */
import { HOST_LIMITS } from "../model/placement.ts";
import type { Service, Stack } from "../model/stack.ts";
import type { FileInput } from "../schema/schema.ts";
import type { ReportAt } from "./check.ts";

type Bad = (path: (string | number)[], message: string, hint?: string) => void;

/** Reports all problems at their places; does nothing for a stack without hosts. */
export function checkHosts(stack: Stack, input: FileInput, report: ReportAt): void {
  if (stack.hosts === undefined) return;
  const bad: Bad = (path, message, hint) =>
    report(path, {
      severity: "error",
      code: "BAD_VALUE",
      message: `${path.filter((step) => typeof step === "string").join(".")}: ${message}`,
      ...(hint ? { hint } : {}),
    });
  for (const service of Object.values(stack.services)) {
    checkCount(service, input, bad);
    if (service.placement?.isGlobal) checkGlobal(service, bad);
    checkOneHost(service, bad);
  }
  checkIds(stack, bad);
}

function checkCount({ name, replicas, placement }: Service, input: FileInput, bad: Bad): void {
  const scale = input.services?.[name]?.scale;
  const path = ["services", name, ...(scale === undefined ? ["deploy", "replicas"] : ["scale"])];
  if (replicas > HOST_LIMITS.containers)
    bad(path, `${replicas} containers; at most ${HOST_LIMITS.containers} are allowed`);
  if (placement?.isGlobal && scale !== undefined && Number(scale) !== 1)
    bad(path, "mode global runs one container per host");
}

/** Fixed names and addresses, which only one container can have. */
function checkGlobal({ name, containerName, networks }: Service, bad: Bad): void {
  const why = "allows one container, but mode global runs one on each host";
  if (containerName !== undefined) bad(["services", name, "container_name"], `a fixed name ${why}`);
  for (const [key, { ipv4, ipv6, mac }] of Object.entries(networks))
    for (const [value, field] of [
      [ipv4, "ipv4_address"],
      [ipv6, "ipv6_address"],
      [mac, "mac_address"],
    ] as const)
      if (value !== undefined) bad(["services", name, "networks", key, field], `a fixed address ${why}`);
}

/** Containers outside the stack are on one host, and bay does not look for them on the others. */
function checkOneHost(service: Service, bad: Bad): void {
  if (service.placement?.hosts?.length === 1 && !service.placement.isGlobal) return;
  const hint = `name that host with host: under services.${service.name}`;
  for (const [key, mode] of [
    ["network_mode", service.networkMode],
    ["pid", service.pidMode],
    ["ipc", service.ipcMode],
  ] as const)
    if (mode.startsWith("container:"))
      bad(["services", service.name, key], `${mode} is a container of one host`, hint);
  for (const { container } of service.containerVolumes ?? [])
    bad(
      ["services", service.name, "volumes_from"],
      `container:${container} is a container of one host`,
      hint,
    );
}

/** The numbers of overlay networks in the packets of their tunnels: two networks with one number would be one network. */
function checkIds({ networks }: Stack, bad: Bad): void {
  const owners = new Map<string, string>();
  for (const [key, { overlay }] of Object.entries(networks)) {
    if (overlay?.id === undefined) continue;
    const isVxlan = overlay.encapsulation.endsWith("vxlan");
    const id = `${isVxlan ? "vni" : "key"} ${overlay.id}`;
    const owner = owners.get(id);
    if (owner !== undefined)
      bad(["networks", key, "driver_opts"], `${id} is also used by the network ${owner}`);
    owners.set(id, key);
  }
}
