import { type Context, nameOf, stackContainers } from "../context.ts";
import { humanBytes, print, table } from "../ui/output.ts";

interface Sample {
  cpu_stats: { cpu_usage: { total_usage: number }; system_cpu_usage: number; online_cpus: number };
  precpu_stats: { cpu_usage: { total_usage: number }; system_cpu_usage: number };
  memory_stats: { usage: number; limit: number; stats: { inactive_file: number } };
  pids_stats: { current: number };
  networks: Record<string, { rx_bytes: number; tx_bytes: number }>;
  blkio_stats: { io_service_bytes_recursive: { op: string; value: number }[] };
}

export async function stats(
  context: Context,
  services: string[],
  options: { stream?: boolean; format: string; all?: boolean },
): Promise<void> {
  const client = await context.client();
  const name = await context.stackName();
  for (;;) {
    const rows = (await stackContainers(client, name, { services, known: context.knownServices })).filter(
      ({ State }) => options.all || State === "running",
    );
    const samples = await Promise.all(
      rows.map(async (row) =>
        toRow(nameOf(row), await client.json<Sample>("GET", `/containers/${row.Id}/stats?stream=false`)),
      ),
    );
    if (options.format === "json") print(JSON.stringify(samples, null, 2));
    else {
      if (options.stream !== false && process.stdout.isTTY) process.stdout.write("\x1b[2J\x1b[H");
      print(
        table(
          ["NAME", "CPU %", "MEM USAGE / LIMIT", "MEM %", "NET I/O", "BLOCK I/O", "PIDS"],
          samples.map((s) => [s.Name, s.CPUPerc, s.MemUsage, s.MemPerc, s.NetIO, s.BlockIO, s.PIDs]),
        ),
      );
    }
    if (options.stream === false) return;
  }
}

function toRow(name: string, sample: Sample) {
  const cpu = sample.cpu_stats.cpu_usage.total_usage - sample.precpu_stats.cpu_usage.total_usage;
  const system = sample.cpu_stats.system_cpu_usage - sample.precpu_stats.system_cpu_usage;
  const percent = system > 0 ? (cpu / system) * sample.cpu_stats.online_cpus * 100 : 0;
  const memory = Math.max(0, sample.memory_stats.usage - sample.memory_stats.stats.inactive_file);
  const net = Object.values(sample.networks);
  const io = (op: string) =>
    sample.blkio_stats.io_service_bytes_recursive
      .filter((row) => row.op === op)
      .reduce((sum, row) => sum + row.value, 0);
  return {
    Name: name,
    CPUPerc: `${percent.toFixed(2)}%`,
    MemUsage: `${humanBytes(memory)} / ${humanBytes(sample.memory_stats.limit)}`,
    MemPerc: `${((memory / sample.memory_stats.limit) * 100).toFixed(2)}%`,
    NetIO: `${humanBytes(net.reduce((sum, row) => sum + row.rx_bytes, 0))} / ${humanBytes(net.reduce((sum, row) => sum + row.tx_bytes, 0))}`,
    BlockIO: `${humanBytes(io("read"))} / ${humanBytes(io("write"))}`,
    PIDs: String(sample.pids_stats.current),
  };
}
