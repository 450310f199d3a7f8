import type { Context } from "../../context.ts";
import { oneContainer } from "../../named-containers.ts";
import { runSession } from "../../ui/terminal.ts";

/** Connects to a container's terminal, or to its output and input. */
export async function attach(
  context: Context,
  [service]: string[],
  options: { index?: number; stdin?: boolean; detachKeys?: string; sigProxy?: string },
): Promise<number> {
  const { client, row } = await oneContainer(context, service!, options.index);
  const { Config } = await client.json<{ Config: { Tty: boolean } }>("GET", `/containers/${row.Id}/json`);
  const stdin = options.stdin !== false;
  const socket = await client.upgrade(
    `/containers/${row.Id}/attach?stream=1&stdout=1&stderr=1&stdin=${stdin ? 1 : 0}&detachKeys=${encodeURIComponent(options.detachKeys ?? "")}`,
  );
  const pass = (signal: string) =>
    void client.json("POST", `/containers/${row.Id}/kill?signal=${signal}`).catch(() => {});
  const signals = options.sigProxy === "false" ? [] : (["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const);
  // a terminal sends Ctrl-C as input, not as a signal
  if (!Config.Tty) for (const signal of signals) process.on(signal, pass);
  await runSession(socket, {
    tty: Config.Tty,
    stdin,
    resize: (rows, columns) =>
      void client.json("POST", `/containers/${row.Id}/resize?h=${rows}&w=${columns}`).catch(() => {}),
  });
  for (const signal of signals) process.off(signal, pass);
  const { State } = await client.json<{ State: { Running: boolean; ExitCode: number } }>(
    "GET",
    `/containers/${row.Id}/json`,
  );
  return State.Running ? 0 : State.ExitCode;
}
