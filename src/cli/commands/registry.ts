/** Commands that speak to registries: pull, push, login, logout. bayd does the work, with this user's credentials. */
import { createInterface } from "node:readline";
import type { Client } from "../../daemon/index.ts";
import { BayError, messageOf } from "../../errors.ts";
import type { Credentials } from "../../image/index.ts";
import type { Context } from "../context.ts";
import { followLayers } from "../ui/layers.ts";
import { print } from "../ui/output.ts";

interface PullOptions {
  quiet?: boolean;
  platform?: string;
  ignorePullFailures?: boolean;
  includeDeps?: boolean;
}

/** What Docker's clients send: the user's own credentials, so that bayd needs none; and their file, for messages. */
export function authHeader(credentials: Credentials | undefined): Record<string, string> {
  if (!credentials) return {};
  const { username, password, identityToken, source } = credentials;
  const auth = { ...(identityToken ? { identitytoken: identityToken } : { username, password }), source };
  return { "X-Registry-Auth": Buffer.from(JSON.stringify(auth)).toString("base64url") };
}

async function authOf(reference: string): Promise<Record<string, string>> {
  const { findCredentials, parseReference } = await import("../../image/index.ts");
  return authHeader(await findCredentials(parseReference(reference).registry));
}

async function pullOne(client: Client, reference: string, options: PullOptions): Promise<void> {
  const query = new URLSearchParams({ fromImage: reference, platform: options.platform ?? "" });
  const headers = await authOf(reference);
  const status = await followLayers(client, `/images/create?${query}`, headers, options.quiet ?? false);
  print(options.quiet ? reference : status.replace(/^Status: /, ""));
}

async function pushOne(client: Client, reference: string, quiet: boolean): Promise<void> {
  const headers = await authOf(reference);
  const status = await followLayers(client, `/images/${encodeURIComponent(reference)}/push`, headers, quiet);
  print(quiet ? reference : `${reference} ${status}`);
}

/** Images of registries that the services use, each once. */
async function imagesOf(
  context: Context,
  services: readonly string[],
  withDependencies: boolean,
): Promise<string[]> {
  const stack = await context.stack([...services]);
  const { chooseServices, dependenciesOf } = await import("../../stack/loaded.ts");
  const all = chooseServices(stack, services, withDependencies ? dependenciesOf : () => [])
    .filter(({ image, build }) => !stack.images[image] && build === undefined)
    .map(({ image }) => image);
  return [...new Set(all)];
}

/** `bay pull [SERVICE…]`. */
export async function pull(context: Context, services: string[], options: PullOptions): Promise<number> {
  const images = await imagesOf(context, services, options.includeDeps ?? false);
  if (images.length === 0) print("no service uses an image of a registry");
  const client = await context.daemon();
  let failed = 0;
  for (const image of images) {
    try {
      await pullOne(client, image, options);
    } catch (error) {
      if (!options.ignorePullFailures) throw error;
      process.stderr.write(`warning: ${image}: ${messageOf(error)}\n`);
      failed += 1;
    }
  }
  return failed > 0 && failed === images.length ? 1 : 0;
}

/** `bay push [SERVICE…]`: images that bay made under a registry's name too. */
export async function push(
  context: Context,
  services: string[],
  options: { quiet?: boolean },
): Promise<void> {
  const stack = await context.stack(services);
  const { chooseServices } = await import("../../stack/loaded.ts");
  const images = chooseServices(stack, services, () => []).map(({ image }) => image);
  const client = await context.daemon();
  for (const image of new Set(images)) await pushOne(client, image, options.quiet ?? false);
}

/** `bay image pull IMAGE…`. */
export async function pullImages(
  context: Context,
  references: string[],
  options: PullOptions,
): Promise<void> {
  const client = await context.daemon();
  for (const reference of references) await pullOne(client, reference, options);
}

/** `bay image push IMAGE…`. */
export async function pushImages(
  context: Context,
  references: string[],
  options: { quiet?: boolean },
): Promise<void> {
  const client = await context.daemon();
  for (const reference of references) await pushOne(client, reference, options.quiet ?? false);
}

interface LoginOptions {
  username?: string;
  password?: string;
  passwordStdin?: boolean;
}

/** Asks the registry whether it knows the user, and keeps the credentials where it does. */
export async function login(_context: Context, [server]: string[], options: LoginOptions): Promise<void> {
  const registry = server ?? "docker.io";
  if (options.password !== undefined)
    throw new BayError("BAD_OPTION", "a password on the command line is seen by every process of this host", {
      hint: "echo PASSWORD | bay login --username NAME --password-stdin",
    });
  if (options.passwordStdin && !options.username)
    throw new BayError("BAD_OPTION", "--password-stdin needs --username");
  const username = options.username ?? (await ask("Username: ", false));
  const password = options.passwordStdin ? await allInput() : await ask("Password: ", true);
  const { checkLogin, keepCredentials } = await import("../../image/index.ts");
  await checkLogin(registry, { username, password });
  keepCredentials(registry, { username, password });
  print(`logged in to ${registry} as ${username}`);
}

export async function logout(_context: Context, [server]: string[]): Promise<void> {
  const registry = server ?? "docker.io";
  const { keepCredentials } = await import("../../image/index.ts");
  print(keepCredentials(registry, undefined) ? `logged out of ${registry}` : `not logged in to ${registry}`);
}

async function allInput(): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of process.stdin) parts.push(part as Buffer);
  return Buffer.concat(parts)
    .toString("utf8")
    .replace(/\r?\n$/, "");
}

function ask(question: string, hidden: boolean): Promise<string> {
  if (!process.stdin.isTTY)
    throw new BayError("BAD_OPTION", "there is no terminal to ask on", {
      hint: "echo PASSWORD | bay login --username NAME --password-stdin",
    });
  const reader = createInterface({ input: process.stdin, output: process.stderr, terminal: true });
  return new Promise((resolve) => {
    reader.question(question, (answer) => {
      reader.close();
      if (hidden) process.stderr.write("\n");
      resolve(answer);
    });
    // what is typed after the question is not shown
    if (hidden) (reader as unknown as { _writeToOutput: (text: string) => void })._writeToOutput = () => {};
  });
}
