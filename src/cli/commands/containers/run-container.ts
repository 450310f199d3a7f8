/** `bay container run` and `create`: containers of any image, which belong to no stack. */
import { writeFileSync } from "node:fs";
import { BayError, hasCode } from "../../../core/errors.ts";
import type { Client } from "../../../daemon/index.ts";
import type { Context } from "../../context.ts";
import { print } from "../../ui/output.ts";
import { terminalSize } from "../../ui/terminal.ts";
import { type ContainerOptions, containerRequest } from "./container-request.ts";

/** Creates a container, and prints its ID. */
export async function createContainer(
  context: Context,
  [image, ...command]: string[],
  options: ContainerOptions,
): Promise<void> {
  print(await create(await context.daemon(), image!, command, options, options.tty ?? false));
}

/** Runs a command in a new container; the exit code is the command's. */
export async function runContainer(
  context: Context,
  [image, ...command]: string[],
  options: ContainerOptions,
): Promise<number> {
  const tty = options.tty ?? false;
  if (tty && options.interactive && !options.detach && !process.stdin.isTTY)
    throw new BayError("BAD_OPTION", "--tty: the input is not a terminal");
  const streams = options.attach?.map((stream) => stream.toLowerCase());
  const wrong = streams?.find((stream) => !["stdin", "stdout", "stderr"].includes(stream));
  if (wrong !== undefined)
    throw new BayError("BAD_OPTION", `--attach: expected stdin, stdout or stderr, got ${wrong}`);
  const client = await context.daemon();
  const id = await create(client, image!, command, options, tty);
  try {
    if (options.detach) {
      await client.json("POST", `/containers/${id}/start`);
      print(id);
      return 0;
    }
    const { startAttached } = await import("./start-attached.ts");
    const stdin = options.interactive ?? false;
    return await startAttached(client, id, {
      tty,
      stdin: stdin && (streams === undefined || streams.includes("stdin")),
      detachKeys: options.detachKeys,
      ...(streams ? { outputs: streams } : {}),
      signals: options.sigProxy !== "false",
    });
  } catch (error) {
    // a container that could not be started has no end after which bayd removes it
    if (options.rm) await client.json("DELETE", `/containers/${id}?v=1`).catch(() => {});
    throw error;
  }
}

async function create(
  client: Client,
  image: string,
  command: readonly string[],
  options: ContainerOptions,
  tty: boolean,
): Promise<string> {
  const body = await containerRequest(image, command, options, tty);
  const { height, width } = terminalSize();
  if (tty) Object.assign(body.HostConfig as object, { ConsoleSize: [height, width] });
  const query = new URLSearchParams({
    ...(options.name === undefined ? {} : { name: options.name }),
    ...(options.platform === undefined ? {} : { platform: options.platform }),
  });
  const send = () =>
    client.json<{ Id: string; Warnings: string[] }>("POST", `/containers/create?${query}`, body);
  if (options.pull === "always") await pull(client, image, options);
  const { Id, Warnings } = await send().catch(async (error: unknown) => {
    if (options.pull !== "missing" || !hasCode(error, "IMAGE_NOT_FOUND")) throw error;
    await pull(client, image, options);
    return send();
  });
  for (const warning of Warnings) process.stderr.write(`warning: ${warning}\n`);
  if (options.cidfile !== undefined) writeFileSync(options.cidfile, Id, { flag: "wx" });
  return Id;
}

async function pull(client: Client, image: string, { platform, quiet }: ContainerOptions): Promise<void> {
  const { pullMissing } = await import("../images/registry.ts");
  await pullMissing(client, image, platform, quiet ?? false);
}

/** `bay container rename`. */
export async function renameContainer(context: Context, [container, name]: string[]): Promise<void> {
  const client = await context.client();
  const at = encodeURIComponent(container!);
  await client.json("POST", `/containers/${at}/rename?name=${encodeURIComponent(name!)}`);
  print(`container ${container} renamed to ${name}`);
}
