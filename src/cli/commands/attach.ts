import { type Context, oneContainer } from "../context.ts";
import { runSession } from "../ui/terminal.ts";

/** Joins a container's terminal, or its output and input. */
export async function attach(
  context: Context,
  [service]: string[],
  options: { index?: number; stdin?: boolean; detachKeys?: string },
): Promise<number> {
  const { client, row } = await oneContainer(context, service!, options.index);
  const { Config } = await client.json<{ Config: { Tty: boolean } }>("GET", `/containers/${row.Id}/json`);
  const stdin = options.stdin !== false;
  const socket = await client.upgrade(
    `/containers/${row.Id}/attach?stream=1&stdout=1&stderr=1&stdin=${stdin ? 1 : 0}&detachKeys=${encodeURIComponent(options.detachKeys ?? "")}`,
  );
  await runSession(socket, {
    tty: Config.Tty,
    stdin,
    resize: (rows, columns) =>
      void client.json("POST", `/containers/${row.Id}/resize?h=${rows}&w=${columns}`).catch(() => {}),
  });
  const { State } = await client.json<{ State: { Running: boolean; ExitCode: number } }>(
    "GET",
    `/containers/${row.Id}/json`,
  );
  return State.Running ? 0 : State.ExitCode;
}
