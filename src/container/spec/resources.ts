/** The limits of a container, as the cgroup room has them. */

import { BayError } from "../../core/errors.ts";
import type { ResourceLimits } from "../../core/resource-limits.ts";
import type { SpecResources } from "../../linux/index.ts";
import type { BlockIoConfig, DeviceLimit, KernelConfig } from "../model/config.ts";
import { deviceAt } from "./devices.ts";

const CPU_PERIOD = 100_000;

/** Converts limits to those of the cgroup room. Memory without memswap allows as much swap again, as in Docker. */
export function toResources(limits: ResourceLimits, kernel: KernelConfig = {}): SpecResources {
  const swap = limits.memorySwap ?? (limits.memory ? limits.memory * 2 : undefined);
  return {
    memory: {
      limit: limits.memory ?? 0,
      swap: swap ?? 0,
      reservation: limits.memoryReservation ?? 0,
      ...(kernel.swappiness === undefined ? {} : { swappiness: kernel.swappiness }),
      ...(kernel.oomKillDisable ? { disableOOMKiller: true } : {}),
    },
    cpu: {
      quota: limits.cpus ? Math.round(limits.cpus * CPU_PERIOD) : 0,
      period: CPU_PERIOD,
      shares: limits.cpuShares ?? 0,
      ...(limits.cpuset ? { cpus: limits.cpuset } : {}),
    },
    pids: { limit: limits.pids && limits.pids > 0 ? limits.pids : 0 },
    ...(kernel.blockIo ? { blockIO: toBlockIo(kernel.blockIo) } : {}),
  };
}

/** Throws NO_DEVICE. */
function toBlockIo(given: BlockIoConfig): NonNullable<SpecResources["blockIO"]> {
  const numbered = <K extends string>(limits: readonly DeviceLimit[], key: K) =>
    limits.map(({ device, value }) => {
      const { major = 0, minor = 0, type } = deviceAt(device, device);
      if (type !== "b") throw new BayError("NO_DEVICE", `blkio_config: ${device} is not a block device`);
      return { major, minor, [key]: value } as { major: number; minor: number } & Record<K, number>;
    });
  return {
    ...(given.weight === undefined ? {} : { weight: given.weight }),
    weightDevice: numbered(given.weights, "weight"),
    throttleReadBpsDevice: numbered(given.readBps, "rate"),
    throttleWriteBpsDevice: numbered(given.writeBps, "rate"),
    throttleReadIOPSDevice: numbered(given.readIops, "rate"),
    throttleWriteIOPSDevice: numbered(given.writeIops, "rate"),
  };
}

/** Only the limits that differ from a new cgroup, which has none: each other one would be a file to open and write. */
export function onlyLimits({ memory, cpu, pids, ...rest }: SpecResources): SpecResources {
  return {
    ...rest,
    ...(memory && hasAny({ ...memory }) ? { memory } : {}),
    ...(cpu && hasAny({ ...cpu, period: 0 }) ? { cpu } : {}),
    ...(pids && pids.limit > 0 ? { pids } : {}),
  };
}

const hasAny = (values: Record<string, unknown>) => Object.values(values).some(Boolean);
