/** bay's routes for the hosts of a cluster. A change of the members is passed on to the host that has the authority. */
import { z } from "zod";
import type { ContainerManager } from "../../../container/index.ts";
import { BayError } from "../../../core/errors.ts";
import { VERSION } from "../../../core/version.ts";
import { type Cluster, hostFacts, hostLabels, type Member, ownFacts } from "../../../host/index.ts";
import { joinCluster } from "../../cluster/join.ts";
import { askJson } from "../../cluster/member-client.ts";
import { renewCertificate } from "../../cluster/renewal.ts";
import { type Route, route, sendJson } from "../http.ts";
import type { Services } from "../server.ts";

const address = hostFacts.shape.address;
const port = hostFacts.shape.port.optional();
const initBody = z.strictObject({
  name: z.string().max(100).optional(),
  address: address.optional(),
  port,
  labels: hostLabels.optional(),
});
const joinBody = z.strictObject({
  to: z.string().min(1).max(300),
  port: hostFacts.shape.port,
  token: z.string().max(500),
  name: z.string().max(100).optional(),
  address: address.optional(),
  listenPort: port,
  labels: hostLabels.optional(),
});
const inviteBody = z.strictObject({
  lifetime: z
    .int()
    .min(1000)
    .max(30 * 86_400_000),
});
const labelBody = z.strictObject({
  set: hostLabels,
  remove: z.array(z.string().max(256)).max(100),
});
const moveBody = z.strictObject({ address });
const renewBody = z.strictObject({ request: z.string().max(8192) });
const retireBody = z.strictObject({ validFrom: z.int().min(0) });

export function hostRoutes({ cluster, manager }: Services): Route[] {
  /** Runs a change on the host that may make it: here, or there. */
  const change = (
    method: string,
    path: string,
    schema: z.ZodType,
    action: (host: string, body: never) => Promise<unknown>,
  ): Route =>
    route(method, path, async (call) => {
      const body = await call.ownBody(schema);
      const { identity, authority } = cluster.membership;
      const isHere = identity?.authorityKey !== undefined || !authority;
      const answer = isHere
        ? await action(call.parts[0] ?? "", body as never)
        : await askJson(cluster, authority, method, call.request.url!, { body });
      sendJson(call.response, 200, answer);
    });
  return [
    route("POST", "/bay/v1/host/init", async (call) => {
      const member = await cluster.membership.init(ownFacts(await call.ownBody(initBody)));
      sendJson(call.response, 200, shown(cluster, manager, member));
    }),
    route("POST", "/bay/v1/host/join", async (call) => {
      const {
        to,
        port: toPort,
        token,
        name,
        address: own,
        listenPort,
        labels,
      } = await call.ownBody(joinBody);
      await joinCluster(cluster, {
        address: to,
        port: toPort,
        token,
        name,
        advertise: own,
        listenPort,
        labels,
      });
      sendJson(call.response, 200, shown(cluster, manager, cluster.membership.self!));
    }),
    route("POST", "/bay/v1/host/leave", ({ response }) => {
      if (manager.networks.overlays.list().length > 0)
        throw new BayError("NETWORK_IN_USE", "this host has overlay networks", {
          hint: "first remove the stacks that use them with bay down",
        });
      cluster.membership.leave();
      sendJson(response, 200, {});
    }),
    route("POST", "/bay/v1/host/rotate", async ({ response }) => {
      await renewCertificate(cluster);
      sendJson(response, 200, {});
    }),
    route("GET", "/bay/v1/host/stream", ({ response }) => cluster.stream(response)),
    route("GET", "/bay/v1/hosts", ({ response }) => {
      cluster.membership.requireIdentity();
      sendJson(
        response,
        200,
        cluster.membership.members.map((member) => shown(cluster, manager, member)),
      );
    }),
    route("GET", "/bay/v1/hosts/:", ({ response, parts }) =>
      sendJson(response, 200, shown(cluster, manager, cluster.membership.require(parts[0]!))),
    ),
    change("POST", "/bay/v1/host/invite", inviteBody, async (_, { lifetime }: { lifetime: number }) => ({
      token: cluster.membership.invite(lifetime),
      address: cluster.membership.self!.address,
      port: cluster.membership.self!.port,
    })),
    change("POST", "/bay/v1/hosts/:/label", labelBody, (host, { set, remove }: z.infer<typeof labelBody>) =>
      cluster.membership.label(host, {
        ...Object.fromEntries(remove.map((name) => [name, undefined])),
        ...set,
      }),
    ),
    change("POST", "/bay/v1/hosts/:/move", moveBody, (host, body: { address: string }) =>
      cluster.membership.move(host, body.address),
    ),
    change("DELETE", "/bay/v1/hosts/:", z.strictObject({}), (host) => cluster.membership.remove(host)),
    change("POST", "/bay/v1/hosts/:/renew", renewBody, async (host, body: z.infer<typeof renewBody>) => ({
      certificate: await cluster.membership.renew(host, body.request),
    })),
    change("POST", "/bay/v1/hosts/:/retire", retireBody, async (host, body: { validFrom: number }) => {
      await cluster.membership.retire(host, body.validFrom);
      return {};
    }),
  ];
}

/** A member as clients see it. */
function shown(cluster: Cluster, manager: ContainerManager, member: Member) {
  const { validFrom: _, ...rest } = member;
  const peer = cluster.peer(member.id);
  const isSelf = member.id === cluster.membership.self?.id;
  return {
    ...rest,
    isSelf,
    state: isSelf || (peer && !peer.isSilent) ? "ready" : "unreachable",
    heardAt: isSelf ? Date.now() : peer?.heardAt,
    version: isSelf ? VERSION : peer?.version,
    problem: isSelf || !peer?.isSilent ? undefined : peer.problem,
    containers: isSelf
      ? manager.list().filter(({ state }) => state.status === "running").length
      : peer?.receiver.containers.filter(({ status }) => status === "running").length,
  };
}
