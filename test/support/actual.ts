/** What a host has, for planner tests: everything that a stack says, already there. */
import type { Actual } from "../../src/reconcile/index.ts";
import { desiredConfig } from "../../src/reconcile/index.ts";
import type { Stack } from "../../src/stack/index.ts";

export const IMAGE = {
  id: `sha256:${"1".repeat(64)}`,
  config: {
    architecture: "amd64",
    os: "linux",
    config: { Cmd: ["serve"], Env: ["PATH=/bin"] },
    rootfs: { type: "layers" as const, diff_ids: [] },
  },
};

export const NOTHING: Actual = {
  containers: [],
  networks: [],
  volumes: [],
  images: { app: { ...IMAGE, stale: undefined } },
  foreignNames: [],
  withoutDocker: [],
  cpus: 4,
  drift: [],
};

/** The host as a stack would leave it. */
export function converged(stack: Stack): Actual {
  return {
    ...NOTHING,
    containers: Object.values(stack.services).flatMap((service) =>
      Array.from({ length: service.replicas }, (_, index) => {
        const config = desiredConfig(stack, service, index + 1, IMAGE);
        const id = `${service.name}${index}`.padEnd(64, "0");
        return {
          id,
          name: config.name,
          service: service.name,
          number: index + 1,
          oneOff: false,
          config: { ...config, hostname: config.hostname || id.slice(0, 12) },
          status: "running" as const,
          alive: true,
          wanted: "running" as const,
          exitCode: 0,
          endedBy: undefined,
          health: "none" as const,
          drift: [],
          anonymousVolumes: [],
          staleNetworks: [],
          lostOwner: undefined,
          addresses: {},
        };
      }),
    ),
    networks: Object.entries(stack.networks).map(([key, network]) => ({
      name: network.name,
      key,
      stack: stack.name,
      subnet: network.subnet ?? "172.18.0.0/16",
      internal: network.internal,
      mtu: network.mtu,
      gateway: network.gateway ?? "172.18.0.1",
      labels: network.labels,
      drift: [],
    })),
    volumes: Object.entries(stack.volumes).map(([key, { name }]) => ({
      name,
      key,
      stack: stack.name,
      labels: {},
    })),
  };
}
