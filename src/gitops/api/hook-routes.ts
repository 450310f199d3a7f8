/** The routes for the identity of the host, webhooks, their listener and notifications. Secrets are accepted and stored, and never returned again. */

import { randomBytes } from "node:crypto";
import { z } from "zod";
import { BayError } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { type Route, route, sendJson } from "../../daemon/extension.ts";
import type { GitCredentials } from "../git/credentials.ts";
import { type Listening, listenerSettings } from "../hooks/listener-settings.ts";
import type { GitopsRecords } from "../model/records.ts";
import { notifyTarget, notifyTargets, shownTarget } from "../notify/targets.ts";

const MAX_SECRET = LIMITS.gitops.secret;
const webhookBody = z.object({
  secret: z
    .string()
    .transform((text) => text.trim())
    .pipe(z.string().min(16, "the secret has fewer than 16 characters").max(MAX_SECRET))
    .optional(),
});

const identityBody = z.object({ identity: z.string().max(65_536).optional() });

interface HookServices {
  directory: string;
  records: GitopsRecords;
  credentials: GitCredentials;
  listening: Listening;
}

/** Throws BAD_GITOPS with all problems. */
function checked<S extends z.ZodType>(schema: S, value: unknown, what: string): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path, message }) =>
    [path.join("."), message.replace(/^Invalid input: /, "")].filter(Boolean).join(": "),
  );
  throw new BayError("BAD_GITOPS", `${what}: ${problems.join("; ")}`);
}

export function hookRoutes({ records, credentials, listening, directory }: HookServices): Route[] {
  const targetsOf = (name: string) => credentials.targets(name).map(shownTarget);
  return [
    route("POST", "/bay/v1/gitops-identity", async (call) => {
      const body = checked(identityBody, await call.body(z.unknown()), "the identity");
      const { recipients, replaceIdentities } = await import("../sops/identity.ts");
      if (body.identity !== undefined) replaceIdentities(directory, body.identity);
      sendJson(call.response, 200, { recipients: await recipients(directory) });
    }),
    route("GET", "/bay/v1/gitops-listener", ({ response }) =>
      sendJson(response, 200, listening.shown() ?? null),
    ),
    route("PUT", "/bay/v1/gitops-listener", async (call) => {
      await listening.set(checked(listenerSettings, await call.body(z.unknown()), "the listener"));
      sendJson(call.response, 200, listening.shown());
    }),
    route("DELETE", "/bay/v1/gitops-listener", async ({ response }) => {
      await listening.remove();
      sendJson(response, 200, null);
    }),
    route("PUT", "/bay/v1/gitops/:/webhook", async (call) => {
      const { name } = records.get(call.parts[0]!);
      const { secret } = checked(webhookBody, await call.body(z.unknown()), "the webhook");
      const created = secret ?? randomBytes(32).toString("hex");
      credentials.putHookSecret(name, created);
      // a secret that was made here has to be known to the sender: it is shown this one time
      sendJson(call.response, 200, {
        path: `/hooks/${name}`,
        ...(secret === undefined ? { secret: created } : {}),
        listener: listening.shown() ?? null,
      });
    }),
    route("DELETE", "/bay/v1/gitops/:/webhook", ({ response, parts }) => {
      credentials.putHookSecret(records.get(parts[0]!).name, undefined);
      sendJson(response, 200, {});
    }),
    route("GET", "/bay/v1/gitops/:/notify", ({ response, parts }) =>
      sendJson(response, 200, targetsOf(records.get(parts[0]!).name)),
    ),
    route("POST", "/bay/v1/gitops/:/notify", async (call) => {
      const { name } = records.get(call.parts[0]!);
      const target = checked(notifyTarget, await call.body(z.unknown()), "the notification");
      const others = credentials.targets(name).filter(({ url }) => url !== target.url);
      credentials.putTargets(name, checked(notifyTargets, [...others, target], "the notifications"));
      sendJson(call.response, 200, targetsOf(name));
    }),
    route("DELETE", "/bay/v1/gitops/:/notify", ({ response, parts }) => {
      credentials.putTargets(records.get(parts[0]!).name, []);
      sendJson(response, 200, []);
    }),
  ];
}
