/** Exec routes of the Docker Engine API: create, inspect, resize; the start is a hijacked stream (streams.ts). */
import { z } from "zod";
import { Exec, isRunning } from "../../container/index.ts";
import { BayError } from "../../errors.ts";
import { type Route, route, sendJson } from "../http.ts";
import type { Services } from "../server.ts";

const createBody = z.object({
  AttachStdin: z.boolean().optional(),
  Tty: z.boolean().optional(),
  Cmd: z.array(z.string()).min(1),
  Env: z.array(z.string()).nullish(),
  User: z.string().optional(),
  WorkingDir: z.string().optional(),
  Privileged: z.boolean().optional(),
  DetachKeys: z.string().nullish(),
  ConsoleSize: z.tuple([z.number(), z.number()]).nullish(),
});

export function execRoutes({ manager }: Services): Route[] {
  return [
    route("POST", "/containers/:/exec", async (call) => {
      const record = manager.get(call.parts[0]!);
      if (!isRunning(record))
        throw new BayError("NOT_RUNNING", `the container ${record.config.name} is not running`);
      if (record.state.status === "paused")
        throw new BayError("NOT_RUNNING", `the container ${record.config.name} is paused`);
      const parsed = createBody.safeParse(await call.json());
      if (!parsed.success) throw new BayError("BAD_REQUEST", "an exec needs Cmd, a list of strings");
      const body = parsed.data;
      const exec = new Exec(manager, record, {
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
      });
      manager.trackExec(exec);
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
      findExec(manager, call.parts[0]!).resize(Number(call.query.get("h")), Number(call.query.get("w")));
      call.response.writeHead(200).end();
    }),
  ];
}

export function findExec(manager: Services["manager"], id: string): Exec {
  const exec = manager.findExec(id);
  if (!exec) throw new BayError("EXEC_NOT_FOUND", `there is no exec ${id.slice(0, 12)}`);
  return exec;
}
