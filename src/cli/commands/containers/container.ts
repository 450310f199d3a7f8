/** `bay container …`: commands on one container, named by its service, its own name or its ID. */

import { hasCode } from "../../../core/errors.ts";
import type { Client } from "../../../daemon/index.ts";
import { textOf, toError } from "../../../daemon/index.ts";
import type { Context } from "../../context.ts";
import { oneContainer } from "../../named-containers.ts";
import { print, printJson } from "../../ui/output.ts";
import { refuseTerminal, saveStream } from "../../ui/save-stream.ts";
import { copyBetween } from "./cp.ts";

/** A container by name or ID, else the stack's container of a service. */
async function find(context: Context, name: string, index?: number): Promise<{ client: Client; id: string }> {
  const client = await context.client();
  if (index !== undefined) return { client, id: (await oneContainer(context, name, index)).row.Id };
  try {
    const { Id } = await client.json<{ Id: string }>("GET", `/containers/${encodeURIComponent(name)}/json`);
    return { client, id: Id };
  } catch (error) {
    if (!hasCode(error, "CONTAINER_NOT_FOUND")) throw error;
    const { row } = await oneContainer(context, name);
    return { client, id: row.Id };
  }
}

interface CommitOptions {
  author?: string;
  message?: string;
  change?: string[];
  pause?: boolean;
  index?: number;
}

export async function commit(
  context: Context,
  [name, image]: string[],
  options: CommitOptions,
): Promise<void> {
  const { client, id } = await find(context, name!, options.index);
  const query = new URLSearchParams({
    container: id,
    repo: image ?? "",
    author: options.author ?? "",
    comment: options.message ?? "",
    pause: options.pause === false ? "0" : "1",
  });
  for (const change of options.change ?? []) query.append("changes", change);
  const { Id } = await client.json<{ Id: string }>("POST", `/commit?${query}`);
  print(Id);
}

export function copy(
  context: Context,
  [source, target]: string[],
  options: { archive?: boolean },
): Promise<void> {
  return copyBetween(source!, target!, (name) => find(context, name), {
    keepOwners: options.archive ?? false,
    followLink: false,
  });
}

const SIGNS = ["C", "A", "D"];

export async function diff(context: Context, [name]: string[], options: { format: string }): Promise<void> {
  const { client, id } = await find(context, name!);
  const changes = await client.json<{ Path: string; Kind: number }[]>("GET", `/containers/${id}/changes`);
  if (options.format === "json") return printJson(changes);
  print(changes.map(({ Path, Kind }) => `${SIGNS[Kind]} ${Path.replace(/\p{C}/gu, "?")}`).join("\n"));
}

export async function exportContainer(
  context: Context,
  [name]: string[],
  { output, index }: { output?: string; index?: number },
): Promise<void> {
  refuseTerminal(output, "a tar");
  const { client, id } = await find(context, name!, index);
  const { body, status } = await client.send("GET", `/containers/${id}/export`);
  if (status >= 400) throw toError(await textOf(body));
  await saveStream(body, output);
}
