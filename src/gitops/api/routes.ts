/** The routes of gitops on bayd's socket, under /bay/v1/gitops. */
import { z } from "zod";
import { BayError } from "../../core/errors.ts";
import { type Route, route, sendJson } from "../../daemon/extension.ts";
import { printPlan } from "../../reconcile/index.ts";
import { repositoryUrl } from "../git/repositories.ts";
import { healthOf } from "../loop/apply-commit.ts";
import { planOf } from "../loop/follower.ts";
import type { GitopsLoop } from "../loop/loop.ts";
import { removeSource } from "../loop/remove-source.ts";
import { suspendedByHand } from "../loop/stack-owners.ts";
import { followed, readSource, type Source, sourceName } from "../model/source.ts";
import type { Status } from "../model/status.ts";
import { readWindow } from "../model/windows.ts";

const secret = z.string().max(65_536).optional();
const secrets = z.object({ auth: secret, ca: secret, knownHosts: secret });
const putBody = z.object({
  sources: z
    .array(z.object({ name: z.string().max(100), rules: z.unknown() }))
    .min(1)
    .max(200),
  secrets: secrets.optional(),
  /** Whether existing sources may be changed. */
  replace: z.boolean().default(false),
});
const removeBody = z.object({ down: z.boolean().default(false), volumes: z.boolean().default(false) });
const refBody = z.object({
  ref: z
    .string()
    .max(255)
    .regex(/^[A-Za-z0-9_][^\s~^:?*[\\]*$/)
    .optional(),
});
const approveBody = z.object({ commit: z.string().regex(/^[0-9a-f]{7,40}$/, "expected a commit hash") });

/** A source as the API shows it: without credentials, which are not part of it. */
export interface ShownSource extends Source {
  follows: string;
  health: string;
  status: Status;
}

export function gitopsRoutes(loop: GitopsLoop): Route[] {
  const { services } = loop;
  const { records, manager } = services;
  const shown = (source: Source): ShownSource => {
    const status = { ...records.status(source.name), ...loop.polls(source.name) };
    return { ...source, follows: followed(source), health: healthOf(services, status.project), status };
  };
  const changed = async (name: string, change: (source: Source) => Source) => {
    const source = change(records.get(name));
    records.put(source);
    await manager.store.flush();
    return shown(source);
  };
  return [
    route("GET", "/bay/v1/gitops", ({ response }) => sendJson(response, 200, records.sources().map(shown))),
    route("GET", "/bay/v1/gitops/:", ({ response, parts }) =>
      sendJson(response, 200, shown(records.get(parts[0]!))),
    ),
    route("GET", "/bay/v1/gitops/:/log", ({ response, parts }) => {
      records.get(parts[0]!);
      sendJson(response, 200, records.log(parts[0]!));
    }),
    route("PUT", "/bay/v1/gitops", async (call) => {
      const body = await call.body(putBody);
      const sources = body.sources.map(({ name, rules }) => checked(readSource(name, rules)));
      const existing = sources.find(({ name }) => records.find(name));
      if (existing && !body.replace)
        throw new BayError("GITOPS_EXISTS", `the gitops source ${existing.name} already exists`, {
          hint: "bay gitops apply changes it, and bay gitops rm removes it",
        });
      const owned = sources
        .map(({ name }) => records.find(name))
        .find((known) => known?.owner && records.find(known.owner));
      if (owned)
        throw new BayError(
          "GITOPS_EXISTS",
          `the source ${owned.name} is described by the source ${owned.owner}`,
          {
            hint: "change it in the repository",
          },
        );
      for (const source of sources) {
        if (body.secrets) services.repositories.credentials.put(source.name, body.secrets);
        records.put(source);
      }
      await manager.store.flush();
      for (const { name } of sources) loop.hurry(name);
      sendJson(call.response, 200, sources.map(shown));
    }),
    route("POST", "/bay/v1/gitops/:/sync", async ({ response, parts }) => {
      await loop.sync(parts[0]!);
      sendJson(response, 200, shown(records.get(parts[0]!)));
    }),
    route("POST", "/bay/v1/gitops/:/suspend", async ({ response, parts }) =>
      sendJson(response, 200, await changed(parts[0]!, suspendedByHand)),
    ),
    route("POST", "/bay/v1/gitops/:/resume", async ({ response, parts }) => {
      const source = await changed(parts[0]!, ({ isHeld: _, ...each }) => ({ ...each, suspended: false }));
      loop.hurry(source.name);
      sendJson(response, 200, source);
    }),
    route("POST", "/bay/v1/gitops/:/approve", async (call) => {
      const name = call.parts[0]!;
      const { commit } = await call.body(approveBody);
      records.get(name);
      const status = records.status(name);
      const id = status.pending?.commit.id;
      if (!id?.startsWith(commit))
        throw new BayError("NO_GIT_REF", `the commit ${commit} is not waiting for approval`, {
          hint: id
            ? `the commit waiting for approval is ${id}`
            : `bay gitops status ${name} shows the commit that is waiting`,
        });
      // what is approved is the plan that was shown: it must still be the plan
      const { plan } = await planOf(services, records.get(name), id, loop.signal);
      const text = plan ? printPlan(plan) : "";
      if (text !== status.pending!.plan) {
        records.note(name, { ...status, pending: { ...status.pending!, plan: text } });
        throw new BayError("STALE_PLAN", "the host has changed since the plan was made", {
          hint: `bay gitops status ${name} shows the new plan`,
        });
      }
      records.note(name, { ...status, approved: id });
      await loop.sync(name);
      sendJson(call.response, 200, shown(records.get(name)));
    }),
    route("POST", "/bay/v1/gitops/:/plan", async (call) => {
      const { ref } = await call.body(refBody);
      const source = records.get(call.parts[0]!);
      sendJson(call.response, 200, await planOf(services, source, ref, loop.signal));
    }),
    route("POST", "/bay/v1/gitops/:/remove", async (call) => {
      const name = call.parts[0]!;
      const body = await call.body(removeBody);
      const { owner } = records.get(name);
      if (owner !== undefined && records.find(owner))
        throw new BayError("GITOPS_EXISTS", `the source ${name} is described by the source ${owner}`, {
          hint: "remove it from the repository, or remove that source first",
        });
      await loop.withdraw(name, () =>
        removeSource(services, name, { isDown: body.down, volumes: body.volumes }),
      );
      await manager.store.flush();
      sendJson(call.response, 200, {});
    }),
    route("POST", "/bay/v1/gitops/:/key", async ({ response, parts }) => {
      // a key may be needed before its source can be added
      const name = sourceName.safeParse(parts[0]);
      if (!name.success)
        throw new BayError("BAD_GITOPS", `invalid name ${JSON.stringify(parts[0]!.slice(0, 100))}`);
      sendJson(response, 200, { key: await services.repositories.credentials.publicKey(name.data) });
    }),
  ];
}

/** What the schema alone cannot check. Throws BAD_GITOPS. */
function checked(source: Source): Source {
  repositoryUrl(source.repo);
  for (const window of source.windows) readWindow(window);
  return source;
}
