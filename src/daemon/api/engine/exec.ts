/** Exec routes of the Docker Engine API: create, inspect, resize; the start is a hijacked stream (streams.ts). */
import { z } from "zod";
import { Exec, isRunning } from "../../../container/index.ts";
import { BayError } from "../../../core/errors.ts";
import { type Route, route, sendJson } from "../http.ts";
import type { Services } from "../server.ts";
import { parameters } from "./parameters.ts";
import { terminalSize } from "./query.ts";

const [MOST_ARGUMENTS, LONGEST_ARGUMENT] = [4096, 128 << 10];
const side = z.number().int().min(0).max(65535);

/** The body of `POST /containers/ID/exec`. */
export const execBody = z.object({
  AttachStdin: z.boolean().optional(),
  AttachStdout: z.boolean().optional(),
  AttachStderr: z.boolean().optional(),
  Tty: z.boolean().optional(),
  Cmd: z.array(z.string().max(LONGEST_ARGUMENT)).min(1).max(MOST_ARGUMENTS),
  Env: z.array(z.string().max(LONGEST_ARGUMENT)).max(MOST_ARGUMENTS).optional(),
  User: z.string().max(256).optional(),
  WorkingDir: z.string().max(4096).optional(),
  Privileged: z.boolean().optional(),
  DetachKeys: z.string().max(256).optional(),
  ConsoleSize: z.tuple([side, side]).optional(),
});

/** The body of `POST /exec/ID/start`. */
export const startBody = z.object({
  Detach: z.boolean().optional(),
  Tty: z.boolean().optional(),
  ConsoleSize: z.tuple([side, side]).optional(),
});

export function execRoutes({ manager }: Services): Route[] {
  return [
    route("POST", "/containers/:/exec", async (call) => {
      const record = manager.get(call.parts[0]!);
      if (!isRunning(record))
        throw new BayError("NOT_RUNNING", `the container ${record.config.name} is not running`);
      if (record.state.status === "paused")
        throw new BayError("NOT_RUNNING", `the container ${record.config.name} is paused`);
      const body = await call.body(execBody);
      checkNul([...body.Cmd, ...(body.Env ?? []), body.User ?? "", body.WorkingDir ?? ""]);
      const config = {
        args: body.Cmd,
        env: body.Env ?? [],
        user: body.User || undefined,
        workdir: body.WorkingDir || undefined,
        tty: body.Tty ?? false,
        attachStdin: body.AttachStdin ?? false,
        privileged: body.Privileged ?? false,
        detachKeys: body.DetachKeys ?? "",
        consoleSize: body.ConsoleSize
          ? { height: body.ConsoleSize[0], width: body.ConsoleSize[1] }
          : undefined,
      };
      const exec = new Exec(manager, record, config, "client");
      manager.execs.track(exec);
      publishExec(manager, exec, "exec_create");
      exec.once("end", () =>
        publishExec(manager, exec, "exec_die", { exitCode: String(exec.exitCode ?? "") }),
      );
      sendJson(call.response, 201, { Id: exec.id });
    }),
    route("GET", "/exec/:/json", (call) => {
      const exec = findExec(manager, call.parts[0]!);
      sendJson(call.response, 200, {
        ID: exec.id,
        Running: exec.running,
        ExitCode: exec.exitCode ?? null,
        Pid: exec.pid,
        ContainerID: exec.container.id,
        OpenStdin: exec.config.attachStdin,
        OpenStdout: true,
        OpenStderr: true,
        CanRemove: false,
        DetachKeys: exec.config.detachKeys ?? "",
        ProcessConfig: {
          entrypoint: exec.config.args[0],
          arguments: exec.config.args.slice(1),
          privileged: exec.config.privileged,
          tty: exec.config.tty,
          user: exec.config.user ?? "",
        },
      });
    }),
    route("POST", "/exec/:/resize", (call) => {
      const { rows, columns } = terminalSize(parameters("POST /exec/:/resize", call.query));
      findExec(manager, call.parts[0]!).resize(rows, columns);
      call.response.writeHead(200).end();
    }),
  ];
}

/** An event of a command in a container; Docker's actions except the end have the command. */
export function publishExec(
  { events }: Services["manager"],
  { id, container, config }: Exec,
  action: "exec_create" | "exec_start" | "exec_die",
  extra: Record<string, string> = {},
): void {
  const words = action === "exec_die" ? "" : `: ${config.args.join(" ")}`;
  events.ofContainer(container, `${action}${words}`, { execID: id, ...extra });
}

/** Throws BAD_REQUEST if a text contains a NUL, which ends strings in the kernel. */
function checkNul(texts: readonly string[]): void {
  if (texts.some((given) => given.includes("\0")))
    throw new BayError("BAD_REQUEST", "the command has a NUL character");
}

export function findExec(manager: Services["manager"], id: string): Exec {
  const exec = manager.execs.find(id);
  if (!exec) throw new BayError("EXEC_NOT_FOUND", `No such exec instance: ${id.slice(0, 64)}`);
  return exec;
}
