/** Container routes of the Docker Engine API: list, inspect, life, stats, top. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { isRunning } from "../../container/index.ts";
import { BayError } from "../../errors.ts";
import { signalNumber } from "../../signals.ts";
import { type Call, type Route, route, sendJson, startStream } from "../http.ts";
import type { Services } from "../server.ts";
import { parseFilters } from "./filters.ts";
import { matchesFilters, toInspect, toSummary } from "./shapes.ts";
import { statsOf } from "./stats.ts";

const flag = (value: string | null) => value === "1" || value === "true" || value === "True";

const updateBody = z.object({
  Memory: z.number().optional(),
  MemorySwap: z.number().optional(),
  NanoCpus: z.number().optional(),
  CpuShares: z.number().optional(),
  PidsLimit: z.number().optional(),
  RestartPolicy: z
    .object({
      Name: z.enum(["no", "always", "on-failure", "unless-stopped", ""]),
      MaximumRetryCount: z.number().optional(),
    })
    .optional(),
});

export function containerRoutes({ manager }: Services): Route[] {
  const id = ({ parts }: Call) => manager.get(parts[0]!).id;
  const grace = ({ query }: Call) => (query.has("t") ? Number(query.get("t")) * 1000 : undefined);
  const empty = (call: Call, status = 204) => void call.response.writeHead(status).end();
  return [
    route("GET", "/containers/json", ({ query, response }) => {
      const filters = parseFilters(query.get("filters"));
      const all = flag(query.get("all")) || filters.has("status");
      const rows = manager
        .list()
        .filter((record) => (all || isRunning(record)) && matchesFilters(manager, record, filters));
      rows.sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
      sendJson(
        response,
        200,
        rows.map((record) => toSummary(manager, record)),
      );
    }),
    route("GET", "/containers/:/json", (call) =>
      sendJson(call.response, 200, toInspect(manager, manager.get(id(call)))),
    ),
    route("POST", "/containers/:/start", async (call) => {
      const running = isRunning(manager.get(id(call)));
      await manager.start(id(call));
      empty(call, running ? 304 : 204);
    }),
    route("POST", "/containers/:/stop", async (call) => {
      const running = isRunning(manager.get(id(call)));
      await manager.stop(id(call), grace(call));
      empty(call, running ? 204 : 304);
    }),
    route("POST", "/containers/:/restart", async (call) => {
      await manager.restart(id(call), grace(call));
      empty(call);
    }),
    route("POST", "/containers/:/kill", (call) => {
      const text = call.query.get("signal") ?? "SIGKILL";
      const signal = signalNumber(text);
      if (signal === undefined) throw new BayError("BAD_REQUEST", `there is no signal ${text}`);
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
      await manager.rename(id(call), call.query.get("name") ?? "");
      empty(call);
    }),
    route("POST", "/containers/:/update", async (call) => {
      const body = updateBody.parse(await call.json());
      const { config } = manager.get(id(call));
      await manager.update(id(call), {
        ...config,
        restart: body.RestartPolicy?.Name
          ? { policy: body.RestartPolicy.Name, maxRetries: body.RestartPolicy.MaximumRetryCount ?? 0 }
          : config.restart,
        resources: {
          ...config.resources,
          memory: body.Memory || config.resources.memory,
          memorySwap: body.MemorySwap || config.resources.memorySwap,
          cpus: body.NanoCpus ? body.NanoCpus / 1e9 : config.resources.cpus,
          cpuShares: body.CpuShares || config.resources.cpuShares,
          pids: body.PidsLimit || config.resources.pids,
        },
      });
      sendJson(call.response, 200, { Warnings: [] });
    }),
    route("POST", "/containers/:/wait", async (call) => {
      const record = manager.get(id(call));
      const wantsNext = call.query.get("condition") === "next-exit" && !isRunning(record);
      call.response.writeHead(200, { "Content-Type": "application/json" });
      call.response.flushHeaders(); // docker run waits for these before it starts the container
      const code = wantsNext
        ? await new Promise<number>((resolve) => manager.once(`end:${record.id}`, resolve))
        : await manager.waitForEnd(record.id);
      call.response.end(`${JSON.stringify({ StatusCode: code })}\n`);
    }),
    route("DELETE", "/containers/:", async (call) => {
      await manager.remove(id(call), {
        volumes: flag(call.query.get("v")),
        force: flag(call.query.get("force")),
      });
      empty(call);
    }),
    route("POST", "/containers/:/resize", (call) => {
      manager.resize(id(call), Number(call.query.get("h")), Number(call.query.get("w")));
      empty(call, 200);
    }),
    route("GET", "/containers/:/top", async (call) => {
      const record = manager.get(id(call));
      if (!isRunning(record))
        throw new BayError("NOT_RUNNING", `the container ${record.config.name} is not running`);
      const args = call.query.get("ps_args") ?? "-ef";
      const pids = manager.cgroupOf(record.id).pids();
      if (args !== "-ef") return sendJson(call.response, 200, await processTable(args, pids));
      sendJson(call.response, 200, {
        Titles: ["UID", "PID", "PPID", "STIME", "TIME", "CMD"],
        Processes: pids.flatMap(processRow),
      });
    }),
    route("GET", "/containers/:/stats", (call) => streamStats(call, manager.get(id(call)).id, manager)),
  ];
}

/** What the host's ps(1) says of some processes, with a client's own arguments. Throws BAD_REQUEST. */
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
  if (column === -1) throw new BayError("BAD_REQUEST", `ps ${args} shows no PID to tell the processes by`);
  const known = new Set(pids.map(String));
  const rows = lines.map((line) => {
    const words = line.trim().split(/\s+/);
    // the last column may have spaces in it
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
    return []; // it ended in between
  }
}

async function streamStats(call: Call, id: string, manager: Services["manager"]): Promise<void> {
  const isStream = call.query.get("stream") === null || flag(call.query.get("stream"));
  const oneShot = flag(call.query.get("one-shot"));
  let previous = statsOf(manager, id, undefined);
  if (!isStream) {
    if (!oneShot) {
      await new Promise((resolve) => setTimeout(resolve, 1000));
      previous = statsOf(manager, id, previous);
    }
    return sendJson(call.response, 200, previous);
  }
  const write = startStream(call.response);
  write(previous);
  const timer = setInterval(() => {
    previous = statsOf(manager, id, previous);
    write(previous);
  }, 1000);
  call.response.on("close", () => clearInterval(timer));
}
