/** `bay gitops identity`, `listen`, `webhook` and `notify`: what reaches bayd from outside, and what it reports. */
import { resolve } from "node:path";
import { BayError } from "../../../core/errors.ts";
import type { ShownListener } from "../../../gitops/hooks/listener-settings.ts";
import type { ShownTarget } from "../../../gitops/notify/targets.ts";
import type { Context } from "../../context.ts";
import { print, printJson, table } from "../../ui/output.ts";
import { type Format, textOf, urlOf } from "./gitops.ts";

const LISTENER = "/bay/v1/gitops-listener";

interface ListenOptions extends Format {
  cert?: string;
  key?: string;
  metrics?: boolean;
  off?: boolean;
}

/** Reads `127.0.0.1:9000`, `[::1]:9000` or `:9000`, which is 127.0.0.1. Throws BAD_OPTION. */
function addressOf(text: string): { address: string; port: number } {
  const [, inner, plain, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]*)):(\d{1,5})$/.exec(text) ?? [];
  if (port === undefined || Number(port) > 65_535)
    throw new BayError("BAD_OPTION", `invalid address ${JSON.stringify(text)}`, {
      hint: "expected ADDRESS:PORT, such as 127.0.0.1:9000 or [::]:9000",
    });
  return { address: inner ?? (plain || "127.0.0.1"), port: Number(port) };
}

const addressText = ({ address, port, cert }: ShownListener): string =>
  `${cert === undefined ? "http" : "https"}://${address.includes(":") ? `[${address}]` : address}:${port}`;

export async function listenForHooks(
  context: Context,
  [text]: string[],
  { format, off, cert, key, metrics }: ListenOptions,
): Promise<void> {
  if (off && text !== undefined) throw new BayError("BAD_OPTION", "--off cannot be used with an address");
  if (text === undefined && (cert !== undefined || key !== undefined || metrics))
    throw new BayError("BAD_OPTION", "--cert, --key and --metrics need an address");
  const client = await context.daemon();
  if (off) {
    await client.json("DELETE", LISTENER);
    return format === "json" ? printJson(null) : print("bayd no longer listens for webhooks");
  }
  const shown =
    text === undefined
      ? await client.json<ShownListener | null>("GET", LISTENER)
      : await client.json<ShownListener>("PUT", LISTENER, {
          ...addressOf(text),
          ...(cert === undefined ? {} : { cert: resolve(cert) }),
          ...(key === undefined ? {} : { key: resolve(key) }),
          metrics: metrics ?? false,
        });
  if (format === "json") return printJson(shown);
  if (!shown) return print("bayd does not listen for webhooks");
  if (shown.problem !== undefined) return print(`${addressText(shown)}: ${shown.problem}`);
  print(`bayd listens on ${addressText(shown)}${shown.metrics ? ", with /metrics" : ""}`);
}

interface Webhook {
  path: string;
  secret?: string;
  listener: ShownListener | null;
}

export async function setWebhook(
  context: Context,
  [name]: string[],
  { format, secret, off }: Format & { secret?: string; off?: boolean },
): Promise<void> {
  const client = await context.client();
  if (off) {
    await client.json("DELETE", urlOf(name!, "/webhook"));
    return format === "json" ? printJson({}) : print(`${name}: webhooks are no longer accepted`);
  }
  const webhook = await client.json<Webhook>("PUT", urlOf(name!, "/webhook"), { secret: textOf(secret) });
  if (format === "json") return printJson(webhook);
  const { path, listener } = webhook;
  print(`URL:    ${listener ? addressText(listener) : "http://ADDRESS:PORT"}${path}`);
  if (webhook.secret !== undefined) print(`Secret: ${webhook.secret} (it is not shown again)`);
  if (!listener) print("bayd does not listen yet: bay gitops listen ADDRESS:PORT");
}

interface NotifyOptions extends Format {
  type?: ShownTarget["type"];
  url?: string;
  token?: string;
  on?: string[];
  off?: boolean;
}

export async function notifyTargets(
  context: Context,
  [name]: string[],
  { format, type, url, token, on, off }: NotifyOptions,
): Promise<void> {
  if ((type === undefined) !== (url === undefined))
    throw new BayError("BAD_OPTION", "--type and --url must be used together");
  if (type === undefined && (token !== undefined || on))
    throw new BayError("BAD_OPTION", "--token and --on require --type and --url");
  if (off && type !== undefined) throw new BayError("BAD_OPTION", "--off cannot be used with --type");
  const client = await context.client();
  const path = urlOf(name!, "/notify");
  const targets = off
    ? await client.json<ShownTarget[]>("DELETE", path)
    : type === undefined
      ? await client.json<ShownTarget[]>("GET", path)
      : await client.json<ShownTarget[]>("POST", path, {
          type,
          url: textOf(url)!.trim(),
          token: textOf(token)?.trim(),
          on,
        });
  if (format === "json") return printJson(targets);
  print(
    table(
      ["TYPE", "HOST", "ON"],
      targets.map((target) => [target.type, target.host, target.on.join(", ")]),
    ),
  );
}

export async function hostIdentity(
  context: Context,
  _args: string[],
  { format, import: file }: Format & { import?: string },
): Promise<void> {
  const client = await context.daemon();
  const answer = await client.json<{ recipients: string[] }>("POST", "/bay/v1/gitops-identity", {
    identity: textOf(file),
  });
  if (format === "json") return printJson(answer);
  for (const recipient of answer.recipients) print(recipient);
}
