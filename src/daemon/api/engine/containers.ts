/** Container routes of the Docker Engine API: list, inspect, start and stop, stats, top. */
import { readFileSync } from "node:fs";
import { type ContainerRecord, isRunning } from "../../../container/index.ts";
import { BayError } from "../../../core/errors.ts";
import { SIGNALS } from "../../../core/signals.ts";
import { type Call, type Route, route, sendJson } from "../http.ts";
import type { Services } from "../server.ts";
import { writableSizeOf } from "./disk.ts";
import { containerFilter } from "./list-filters.ts";
import { parameters } from "./parameters.ts";
import { containerName, graceOf, terminalSize } from "./query.ts";
import { toInspect, toSummary } from "./shapes.ts";
import { sendStats } from "./stats.ts";
import { updateBody, updatedConfig } from "./update.ts";
import { containerLookup, containerView } from "./views.ts";
import { sendEnd } from "./wait.ts";

export function containerRoutes({ manager }: Services): Route[] {
  const id = ({ parts }: Call) => manager.get(parts[0]!).id;
  const sizesOf = async (record: ContainerRecord) => {
    const SizeRw = await writableSizeOf(manager, record);
    const image = manager.images.records.byId(record.config.imageId);
    return { SizeRw, SizeRootFs: SizeRw + (image?.size ?? 0) };
  };
  const empty = (call: Call, status = 204) => void call.response.writeHead(status).end();
  return [
    route("GET", "/containers/json", async ({ query, response }) => {
      const { all, limit, filters, size } = parameters("GET /containers/json", query);
      const matches = containerFilter(filters, containerLookup(manager));
      // as in Docker, a limit or a filter by status includes containers that do not run
      const isWide = all || (limit ?? 0) > 0 || ["status", "exited"].some((key) => filters.has(key));
      const rows = manager
        .list()
        .filter((record) => (isWide || isRunning(record)) && matches(containerView(manager, record)));
      rows.sort((one, other) => Date.parse(other.createdAt) - Date.parse(one.createdAt));
      const shown = rows.slice(0, limit && limit > 0 ? limit : undefined).map(async (record) => ({
        ...toSummary(manager, record),
        ...(size ? await sizesOf(record) : {}),
      }));
      sendJson(response, 200, await Promise.all(shown));
    }),
    route("GET", "/containers/:/json", async (call) => {
      const record = manager.get(id(call));
      const { size } = parameters("GET /containers/:/json", call.query);
      const sizes = size ? await sizesOf(record) : {};
      sendJson(call.response, 200, { ...toInspect(manager, record), ...sizes });
    }),
    route("POST", "/containers/:/start", async (call) => {
      const running = isRunning(manager.get(id(call)));
      await manager.start(id(call));
      empty(call, running ? 304 : 204);
    }),
    route("POST", "/containers/:/stop", async (call) => {
      const running = isRunning(manager.get(id(call)));
      const { t, signal } = parameters("POST /containers/:/stop", call.query);
      await manager.stop(id(call), graceOf(t), signal);
      empty(call, running ? 204 : 304);
    }),
    route("POST", "/containers/:/restart", async (call) => {
      const { t, signal } = parameters("POST /containers/:/restart", call.query);
      await manager.restart(id(call), graceOf(t), signal);
      empty(call);
    }),
    route("POST", "/containers/:/kill", (call) => {
      const { signal = SIGNALS.SIGKILL } = parameters("POST /containers/:/kill", call.query);
      manager.kill(id(call), signal);
      empty(call);
    }),
    route("POST", "/containers/:/pause", async (call) => {
      await manager.pause(id(call), true);
      empty(call);
    }),
    route("POST", "/containers/:/unpause", async (call) => {
      await manager.pause(id(call), false);
      empty(call);
    }),
    route("POST", "/containers/:/rename", async (call) => {
      const name = containerName(parameters("POST /containers/:/rename", call.query).name);
      const { config } = manager.get(id(call));
      if (config.name === name)
        throw new BayError("BAD_REQUEST", `the container already has the name ${name}`);
      await manager.rename(id(call), name);
      empty(call);
    }),
    route("POST", "/containers/:/update", async (call) => {
      const body = await call.body(updateBody);
      const { config } = manager.get(id(call));
      await manager.update(id(call), updatedConfig(config, body));
      sendJson(call.response, 200, { Warnings: [] });
    }),
    route("POST", "/containers/:/wait", (call) => sendEnd(manager, manager.get(id(call)), call)),
    route("DELETE", "/containers/:", async (call) => {
      const { v, force } = parameters("DELETE /containers/:", call.query);
      await manager.remove(id(call), { volumes: v, force });
      empty(call);
    }),
    route("POST", "/containers/:/resize", (call) => {
      const { rows, columns } = terminalSize(parameters("POST /containers/:/resize", call.query));
      const record = manager.get(id(call));
      manager.sessions.resize(record.id, rows, columns);
      manager.events.ofContainer(record, "resize", { height: String(rows), width: String(columns) });
      empty(call, 200);
    }),
    route("GET", "/containers/:/top", async (call) => {
      const record = manager.get(id(call));
      if (!isRunning(record))
        throw new BayError("NOT_RUNNING", `the container ${record.config.name} is not running`);
      const args = parameters("GET /containers/:/top", call.query).ps_args || "-ef";
      const pids = manager.cgroupOf(record.id).pids();
      manager.events.ofContainer(record, "top");
      if (args !== "-ef") return sendJson(call.response, 200, await processTable(args, pids));
      sendJson(call.response, 200, {
        Titles: ["UID", "PID", "PPID", "STIME", "TIME", "CMD"],
        Processes: pids.flatMap(processRow),
      });
    }),
    route("GET", "/containers/:/stats", (call) => sendStats(manager, id(call), call)),
  ];
}

/** The output of the host's ps(1) for some processes, with the client's arguments. Throws BAD_REQUEST. */
async function processTable(
  args: string,
  pids: readonly number[],
): Promise<{ Titles: string[]; Processes: string[][] }> {
  const { execFile } = await import("node:child_process");
  const text = await new Promise<string>((resolve, reject) => {
    execFile("ps", args.split(/\s+/).filter(Boolean), { timeout: 5000 }, (error, out, err) => {
      if (!error) resolve(out);
      else
        reject(new BayError("BAD_REQUEST", `ps ${args}: ${err.trim() || error.message}`, { cause: error }));
    });
  });
  const [head = "", ...lines] = text.split("\n").filter(Boolean);
  const titles = head.trim().split(/\s+/);
  const column = titles.indexOf("PID");
  if (column === -1) throw new BayError("BAD_REQUEST", `ps ${args} prints no PID column`);
  const known = new Set(pids.map(String));
  const rows = lines.map((line) => {
    const words = line.trim().split(/\s+/);
    // the last column may contain spaces
    return [...words.slice(0, titles.length - 1), words.slice(titles.length - 1).join(" ")];
  });
  return { Titles: titles, Processes: rows.filter((row) => known.has(row[column] ?? "")) };
}

/** A row of top, from proc(5). */
function processRow(pid: number): string[][] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").filter(Boolean).join(" ");
    const uid = /^Uid:\s+(\d+)/m.exec(status)?.[1] ?? "?";
    const seconds = Math.floor((Number(fields[11]) + Number(fields[12])) / 100);
    const uptime = Number(readFileSync("/proc/uptime", "latin1").split(" ")[0]);
    const started = new Date(Date.now() - (uptime - Number(fields[19]) / 100) * 1000);
    const clock = `${String(Math.floor(seconds / 3600)).padStart(2, "0")}:${String(Math.floor(seconds / 60) % 60).padStart(2, "0")}:${String(seconds % 60).padStart(2, "0")}`;
    const name = stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
    return [
      [uid, String(pid), fields[1]!, started.toTimeString().slice(0, 5), clock, command || `[${name}]`],
    ];
  } catch {
    return []; // it ended meanwhile
  }
}
