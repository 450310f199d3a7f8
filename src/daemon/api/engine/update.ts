/** `POST /containers/ID/update` of the Docker Engine API: limits and the restart policy of a running container. */
import { cpus } from "node:os";
import { z } from "zod";
import type { ContainerConfig } from "../../../container/index.ts";
import { BayError } from "../../../core/errors.ts";

const LEAST_MEMORY = 6 << 20;
const bytes = z.number().int().min(-1).max(Number.MAX_SAFE_INTEGER);
const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

/** A field that bay cannot change: only values that change nothing are accepted. */
const nothing = z.union([z.literal(0), z.literal(""), z.literal(false), z.array(z.unknown()).max(0)], {
  error: "cannot be changed on a running container by bay",
});

/** null counts as absent: Docker's client sends it for a limit that does not change. */
export const updateBody = z.object({
  Memory: count.optional(),
  MemorySwap: bytes.optional(),
  MemoryReservation: count.optional(),
  NanoCpus: count.optional(),
  CpuPeriod: z.number().int().min(0).max(1_000_000).optional(),
  CpuQuota: z.number().int().min(-1).max(Number.MAX_SAFE_INTEGER).optional(),
  CpuShares: z.number().int().min(0).max(262_144).optional(),
  CpusetCpus: z
    .string()
    .max(1024)
    .regex(/^(\d{1,4}(-\d{1,4})?(,\d{1,4}(-\d{1,4})?)*)?$/, "expected CPUs as 0-2,4")
    .optional(),
  PidsLimit: z.number().int().min(-1).max(4_194_304).optional(),
  RestartPolicy: z
    .object({
      Name: z.enum(["no", "always", "on-failure", "unless-stopped", ""]).optional(),
      MaximumRetryCount: z.number().int().min(0).max(1_000_000).optional(),
    })
    .optional(),
  BlkioWeight: nothing.optional(),
  BlkioWeightDevice: nothing.optional(),
  BlkioDeviceReadBps: nothing.optional(),
  BlkioDeviceWriteBps: nothing.optional(),
  BlkioDeviceReadIOps: nothing.optional(),
  BlkioDeviceWriteIOps: nothing.optional(),
  CpuRealtimePeriod: nothing.optional(),
  CpuRealtimeRuntime: nothing.optional(),
  CpusetMems: nothing.optional(),
  Devices: nothing.optional(),
  DeviceCgroupRules: nothing.optional(),
  DeviceRequests: nothing.optional(),
  KernelMemory: nothing.optional(),
  KernelMemoryTCP: nothing.optional(),
  MemorySwappiness: z.union([z.literal(-1), nothing]).optional(),
  OomKillDisable: nothing.optional(),
  Ulimits: nothing.optional(),
});

type Update = z.output<typeof updateBody>;

/** The new config. As in Docker, 0 keeps the old value. Throws BAD_REQUEST. */
export function updatedConfig(config: ContainerConfig, body: Update): ContainerConfig {
  const before = config.resources;
  const memory = body.Memory || before.memory;
  const memorySwap = body.MemorySwap || before.memorySwap;
  if (body.Memory && body.Memory < LEAST_MEMORY)
    throw new BayError("BAD_REQUEST", "Memory: the minimum memory limit is 6 MiB");
  if (memory !== undefined && memorySwap !== undefined && memorySwap !== -1 && memorySwap < memory)
    throw new BayError("BAD_REQUEST", "MemorySwap: memory plus swap cannot be less than Memory", {
      hint: "set MemorySwap too, or -1 for no limit",
    });
  if (body.MemoryReservation && memory !== undefined && body.MemoryReservation > memory)
    throw new BayError("BAD_REQUEST", "MemoryReservation: it cannot be larger than Memory");
  const { Name, MaximumRetryCount: maxRetries = 0 } = body.RestartPolicy ?? {};
  if (maxRetries > 0 && Name !== "on-failure")
    throw new BayError("BAD_REQUEST", "RestartPolicy: MaximumRetryCount needs the policy on-failure");
  return {
    ...config,
    restart: Name ? { policy: Name, maxRetries } : config.restart,
    resources: {
      ...before,
      memory,
      memorySwap,
      memoryReservation: body.MemoryReservation || before.memoryReservation,
      cpus: cpusOf(body) ?? before.cpus,
      cpuShares: body.CpuShares || before.cpuShares,
      cpuset: body.CpusetCpus || before.cpuset,
      // 0 and -1 remove the limit
      pids: body.PidsLimit === undefined ? before.pids : body.PidsLimit > 0 ? body.PidsLimit : undefined,
    },
  };
}

const DEFAULT_PERIOD = 100_000;

/** Throws BAD_REQUEST. */
function cpusOf({ NanoCpus, CpuQuota, CpuPeriod }: Update): number | undefined {
  if (NanoCpus && (CpuQuota || CpuPeriod))
    throw new BayError("BAD_REQUEST", "NanoCpus and CpuQuota with CpuPeriod cannot both be set");
  const wanted = NanoCpus
    ? NanoCpus / 1e9
    : CpuQuota && CpuQuota > 0
      ? CpuQuota / (CpuPeriod || DEFAULT_PERIOD)
      : undefined;
  if (CpuPeriod && wanted === undefined)
    throw new BayError("BAD_REQUEST", "CpuPeriod needs a CpuQuota above 0");
  if (wanted !== undefined && (wanted < 0.01 || wanted > cpus().length))
    throw new BayError(
      "BAD_REQUEST",
      `range of CPUs is from 0.01 to ${cpus().length}.00, as there are only ${cpus().length} CPUs available`,
    );
  return wanted;
}
