import { BayError } from "../../../core/errors.ts";
import type { Context } from "../../context.ts";
import { oneContainer } from "../../named-containers.ts";
import { print } from "../../ui/output.ts";

export async function port(
  context: Context,
  [service, wanted]: string[],
  options: { protocol: string; index?: number },
): Promise<void> {
  const [, number, protocol = options.protocol] = /^(\d{1,5})(?:\/(.+))?$/.exec(wanted!) ?? [];
  if (number === undefined)
    throw new BayError("BAD_OPTION", `invalid port ${wanted}: expected PORT or PORT/PROTOCOL`);
  const { row } = await oneContainer(context, service!, options.index);
  const found = row.Ports.filter(
    (candidate) =>
      candidate.PrivatePort === Number(number) &&
      candidate.Type === protocol &&
      candidate.PublicPort !== undefined,
  );
  if (found.length === 0)
    throw new BayError("NOT_PUBLISHED", `port ${number}/${protocol} of ${service} is not published`);
  for (const { IP, PublicPort } of found) print(`${IP}:${PublicPort}`);
}
