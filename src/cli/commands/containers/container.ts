/** `bay container …`: commands on one container, named by its service, its own name or its ID. */

import { textOf, toError } from "../../../daemon/index.ts";
import type { Context } from "../../context.ts";
import { containerOrService } from "../../named-containers.ts";
import { print, printJson } from "../../ui/output.ts";
import { refuseTerminal, saveStream } from "../../ui/save-stream.ts";
import { copyBetween } from "./cp.ts";

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
  const { client, id } = await containerOrService(context, name!, options.index);
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
  return copyBetween(source!, target!, (name) => containerOrService(context, name), {
    keepOwners: options.archive ?? false,
    followLink: false,
  });
}

const SIGNS = ["C", "A", "D"];

export async function diff(context: Context, [name]: string[], options: { format: string }): Promise<void> {
  const { client, id } = await containerOrService(context, name!);
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
  const { client, id } = await containerOrService(context, name!, index);
  const { body, status } = await client.send("GET", `/containers/${id}/export`);
  if (status >= 400) throw toError(await textOf(body));
  await saveStream(body, output);
}
