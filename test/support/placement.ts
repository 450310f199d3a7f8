/** Hosts and stacks for tests of placement. */
import type { PlacedContainer, Placement, PlacementHost } from "../../src/placement/index.ts";
import type { Service, ServicePlacement, Stack } from "../../src/stack/index.ts";
import { loadText } from "./stack.ts";

/** A ready host with 4 CPUs and 4 GiB; its address follows from its name. */
export const hostNamed = (name: string, over: Partial<PlacementHost> = {}): PlacementHost => ({
  name,
  id: `id-${name}`,
  address: `10.0.0.${1 + (name.codePointAt(0)! % 200)}`,
  labels: {},
  role: "worker",
  platform: { os: "linux", architecture: "x86_64" },
  engineLabels: {},
  capacity: { nanoCpus: 4e9, memory: 2 ** 32 },
  state: "ready",
  ...over,
});

export const hostsNamed = (...names: string[]): PlacementHost[] => names.map((name) => hostNamed(name));

/** The stack of a file whose hosts are all members. `services` is YAML in braces. */
export const stackOf = (services: string, more = ""): Stack =>
  loadText(`hosts: all\nservices: ${services}\n${more}`).stack;

/** `web.1 a, web.2 b`: what runs where. */
export const containers = (text: string): PlacedContainer[] =>
  text
    .split(",")
    .filter(Boolean)
    .map((each) => {
      const [, service = "", number, host = ""] = /^\s*(\S+)\.(\d+) (\S+)$/.exec(each) ?? [];
      return { service, number: Number(number), host };
    });

/** The inverse: what is placed where, without reasons. */
export const placesOf = ({ assignments }: Pick<Placement, "assignments">): string =>
  assignments.map(({ service, number, host }) => `${service}.${number} ${host}`).join(", ");

const BASE = stackOf("{a: {image: x}}").services.a!;

/** A service that was not read from a file, for many random ones. */
export function serviceNamed(
  name: string,
  placement: Partial<ServicePlacement>,
  over: Partial<Service> = {},
): Service {
  return { ...BASE, name, ...over, placement: { ...BASE.placement!, ...placement } };
}
