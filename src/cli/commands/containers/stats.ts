import { askEach } from "../../ask-each.ts";
import type { Context } from "../../context.ts";
import { containersOf, nameOf } from "../../named-containers.ts";
import { column, type Listing, printListing } from "../../ui/listing.ts";
import { hasCursor, humanBytes } from "../../ui/output.ts";

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
  options: { stream?: boolean; format: string; all?: boolean; trunc?: boolean },
): Promise<void> {
  for (;;) {
    const { client, rows: all } = await containersOf(context, services);
    const rows = all.filter(({ State }) => options.all || State === "running");
    // all at the same time, because a sample takes about a second
    const samples = await askEach(
      rows,
      async (row) =>
        toRow(
          row.Id,
          nameOf(row),
          await client.json<Sample>("GET", `/containers/${row.Id}/stats?stream=false`),
        ),
      rows.length,
    );
    if (options.format !== "json" && options.stream !== false && hasCursor(process.stdout))
      process.stdout.write("\x1b[2J\x1b[H");
    await printListing(options.format, listing(options.trunc === false), samples);
    if (options.stream === false) return;
  }
}

type Row = ReturnType<typeof toRow>;

/** The columns of `docker stats`. */
const listing = (isWhole: boolean): Listing<Row> => ({
  columns: {
    Container: column("CONTAINER", ({ Name }) => Name),
    Name: column("NAME", ({ Name }) => Name),
    ID: column("CONTAINER ID", ({ ID }) => (isWhole ? ID : ID.slice(0, 12))),
    CPUPerc: column("CPU %", ({ CPUPerc }) => CPUPerc),
    MemUsage: column("MEM USAGE / LIMIT", ({ MemUsage }) => MemUsage),
    MemPerc: column("MEM %", ({ MemPerc }) => MemPerc),
    NetIO: column("NET I/O", ({ NetIO }) => NetIO),
    BlockIO: column("BLOCK I/O", ({ BlockIO }) => BlockIO),
    PIDs: column("PIDS", ({ PIDs }) => PIDs),
  },
  shown: ["ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs"],
  json: "lines",
});

function toRow(id: string, name: string, sample: Sample) {
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
    ID: id,
    Name: name,
    CPUPerc: `${percent.toFixed(2)}%`,
    MemUsage: `${humanBytes(memory)} / ${humanBytes(sample.memory_stats.limit)}`,
    MemPerc: `${((memory / sample.memory_stats.limit) * 100).toFixed(2)}%`,
    NetIO: `${humanBytes(net.reduce((sum, row) => sum + row.rx_bytes, 0))} / ${humanBytes(net.reduce((sum, row) => sum + row.tx_bytes, 0))}`,
    BlockIO: `${humanBytes(io("read"))} / ${humanBytes(io("write"))}`,
    PIDs: String(sample.pids_stats.current),
  };
}
