/** One sample of a container's use of the machine, in the shape of the Docker Engine API. */
import { readFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import type { ContainerManager } from "../../container/index.ts";

export function statsOf(
  manager: ContainerManager,
  id: string,
  previous: ReturnType<typeof sample> | undefined,
) {
  const now = sample(manager, id);
  return previous ? { ...now, precpu_stats: previous.cpu_stats, preread: previous.read } : now;
}

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
    pids_stats: { current: stats.pids },
    cpu_stats: {
      cpu_usage: {
        total_usage: stats.cpuNanoseconds,
        percpu_usage: null,
        usage_in_kernelmode: 0,
        usage_in_usermode: 0,
      },
      system_cpu_usage: systemNanoseconds(),
      online_cpus: online,
      throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
    },
    precpu_stats: { cpu_usage: { total_usage: 0 }, system_cpu_usage: 0, online_cpus: online } as object,
    memory_stats: {
      usage: stats.memoryBytes,
      limit: stats.memoryLimitBytes ?? totalmem(),
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

/** All CPUs' time since boot; user, nice, system, idle, iowait, irq, softirq, steal of proc(5). */
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
