/** Samples of a container's resource usage in the shape of the Docker Engine API. */

import { readFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { ContainerManager } from "../../../container/index.ts";
import { LIMITS } from "../../../core/limits.ts";
import { type Call, sendJson, startStream } from "../http.ts";
import { parameters } from "./parameters.ts";

type Sample = ReturnType<typeof sample>;

/** A sample with the previous one. Clients divide the differences, so none may be negative. */
export function statsOf(manager: ContainerManager, id: string, previous: Sample | undefined): Sample {
  return previous ? after(previous, sample(manager, id)) : sample(manager, id);
}

/** The kernel's idle time may decrease a little, and the counters of a restarted container begin at 0. */
export function after(previous: Sample, now: Sample): Sample {
  const before = previous.cpu_stats;
  const system_cpu_usage = Math.max(now.cpu_stats.system_cpu_usage, before.system_cpu_usage);
  const isNewRun = now.cpu_stats.cpu_usage.total_usage < before.cpu_usage.total_usage;
  const precpu = isNewRun ? { ...before, cpu_usage: { ...before.cpu_usage, total_usage: 0 } } : before;
  return {
    ...now,
    cpu_stats: { ...now.cpu_stats, system_cpu_usage },
    precpu_stats: precpu,
    preread: previous.read,
  };
}

const INTERVAL = 1000;

/** `GET /containers/ID/stats`: one sample, or one each second until the container is removed or the client disconnects. */
export async function sendStats(manager: ContainerManager, id: string, call: Call): Promise<void> {
  const { stream, "one-shot": oneShot } = parameters("GET /containers/:/stats", call.query);
  const { response } = call;
  const first = statsOf(manager, id, undefined);
  if (!stream && oneShot) return sendJson(response, 200, first);
  if (!stream) {
    await sleep(INTERVAL);
    return sendJson(response, 200, statsOf(manager, id, first));
  }
  const write = startStream(response);
  write(first);
  let previous = first;
  while (!response.destroyed) {
    await sleep(INTERVAL);
    // the container may be removed meanwhile, and a client that does not read must not fill the memory
    if (!manager.find(id) || response.destroyed) break;
    previous = statsOf(manager, id, previous);
    if (response.writableLength < MAX_UNSENT) write(previous);
  }
  response.end();
}

/** Unsent bytes of a slow client from which samples are skipped. */
const MAX_UNSENT = LIMITS.request.unsentStats;

function sample(manager: ContainerManager, id: string) {
  const record = manager.get(id);
  const stats = manager.cgroupOf(record.id).stats();
  const online = cpus().length;
  return {
    id: record.id,
    name: `/${record.config.name}`,
    read: new Date().toISOString(),
    preread: "0001-01-01T00:00:00Z",
    num_procs: 0,
    storage_stats: {},
    pids_stats: { current: stats.pids },
    cpu_stats: {
      cpu_usage: {
        total_usage: stats.cpuNanoseconds,
        percpu_usage: null,
        usage_in_kernelmode: stats.cpuKernelNanoseconds,
        usage_in_usermode: stats.cpuUserNanoseconds,
      },
      system_cpu_usage: systemNanoseconds(),
      online_cpus: online,
      throttling_data: {
        periods: stats.cpuPeriods,
        throttled_periods: stats.cpuThrottledPeriods,
        throttled_time: stats.cpuThrottledNanoseconds,
      },
    },
    precpu_stats: { cpu_usage: { total_usage: 0 }, system_cpu_usage: 0, online_cpus: online } as object,
    memory_stats: {
      usage: stats.memoryBytes,
      limit: Math.min(stats.memoryLimitBytes ?? totalmem(), totalmem()),
      stats: { inactive_file: stats.inactiveFileBytes, total_inactive_file: stats.inactiveFileBytes },
    },
    blkio_stats: {
      io_service_bytes_recursive: [
        { major: 0, minor: 0, op: "read", value: stats.readBytes },
        { major: 0, minor: 0, op: "write", value: stats.writeBytes },
      ],
    },
    networks: networkBytes(record.state.pid),
  };
}

/** The time of all CPUs since boot; user, nice, system, idle, iowait, irq, softirq, steal of proc(5). */
function systemNanoseconds(): number {
  const line = readFileSync("/proc/stat", "latin1").split("\n")[0]!;
  return (
    line
      .split(/\s+/)
      .slice(1, 9)
      .reduce((sum, ticks) => sum + Number(ticks), 0) * 1e7
  );
}

function networkBytes(
  pid: number,
): Record<string, { rx_bytes: number; tx_bytes: number; rx_packets: number; tx_packets: number }> {
  try {
    const rows = readFileSync(`/proc/${pid}/net/dev`, "latin1")
      .split("\n")
      .slice(2)
      .filter((row) => row.includes(":"));
    return Object.fromEntries(
      rows
        .map((row) => {
          const [name = "", values = ""] = row.split(":");
          const fields = values.trim().split(/\s+/).map(Number);
          return [
            name.trim(),
            { rx_bytes: fields[0]!, rx_packets: fields[1]!, tx_bytes: fields[8]!, tx_packets: fields[9]! },
          ] as const;
        })
        .filter(([name]) => name !== "lo"),
    );
  } catch {
    return {};
  }
}
