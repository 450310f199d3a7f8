/**
 * Routes of the Docker Engine API that create containers, networks and volumes without a stack file. What they need is loaded
 * with the first request.
 */
import type { ContainerConfig, ContainerManager, ContainerRecord } from "../../../../container/index.ts";
import { BayError } from "../../../../core/errors.ts";
import { formatPlatform, hostPlatform, parsePlatform, samePlatform } from "../../../../image/index.ts";
import { DEFAULT_NETWORK, isPredefined } from "../../../../network/index.ts";
import type { Stack } from "../../../../stack/index.ts";
import { type Route, route, sendJson } from "../../http.ts";
import type { Services } from "../../server.ts";
import { findNetwork } from "../find-network.ts";
import { parameters } from "../parameters.ts";
import { volumeShape } from "../volume-shape.ts";
import { randomName } from "./container-name.ts";

export function createRoutes({ manager }: Services): Route[] {
  return [
    route("POST", "/containers/create", async (call) => {
      const { name = randomName(manager), platform } = parameters("POST /containers/create", call.query);
      if (platform && !samePlatform(parsePlatform(platform), hostPlatform()))
        throw new BayError(
          "BAD_REQUEST",
          `this host runs ${formatPlatform(hostPlatform())}, not ${platform}`,
        );
      const { createBody } = await import("./container-body.ts");
      const body = await call.body(createBody);
      const { newContainer } = await import("./new-container.ts");
      const { config, stack, warnings } = await newContainer(manager, name, body);
      const create = () => manager.create(config);
      const usesDefault = config.networks.some(({ network }) => network === DEFAULT_NETWORK);
      const { id } = await withVolumes(manager, stack, () =>
        usesDefault ? manager.networks.withDefault(create) : create(),
      );
      sendJson(call.response, 201, { Id: id, Warnings: warnings });
    }),
    route("POST", "/networks/create", async (call) => {
      const { networkBody, networkConfigOf } = await import("./network-body.ts");
      const body = await call.body(networkBody);
      const { config, warnings } = networkConfigOf(body);
      if (manager.networks.get(config.name))
        throw new BayError("NETWORK_EXISTS", `network with name ${config.name} already exists`);
      const { id } = await manager.networks.create(config);
      manager.events.publish("network", "create", id, { name: config.name, type: config.driver });
      sendJson(call.response, 201, { Id: id, Warning: warnings.join("; ") });
    }),
    route("POST", "/networks/:/connect", async (call) => {
      const { connectBody } = await import("./network-body.ts");
      const { Container: container, EndpointConfig: endpoint = {} } = await call.body(connectBody);
      const { attachment } = await import("./attachment.ts");
      const network = networkToJoin(manager, call.parts[0]!);
      const { id, config } = manager.get(container);
      checkJoinable(config);
      if (config.networks.some((each) => each.network === network))
        throw new BayError(
          "ALREADY_CONNECTED",
          `endpoint with name ${config.name} already exists in network ${network}`,
        );
      const networks = [...config.networks, attachment(network, endpoint)];
      const update = () => manager.update(id, { ...config, networks });
      await (network === DEFAULT_NETWORK ? manager.networks.withDefault(update) : update());
      publish(manager, "connect", network, manager.get(id));
      call.response.writeHead(200).end();
    }),
    route("POST", "/networks/:/disconnect", async (call) => {
      const { disconnectBody } = await import("./network-body.ts");
      const { Container: container } = await call.body(disconnectBody);
      const { name } = findNetwork(manager, call.parts[0]!).config;
      const record = manager.get(container);
      const networks = record.config.networks.filter(({ network }) => network !== name);
      if (networks.length === record.config.networks.length)
        throw new BayError(
          "NOT_CONNECTED",
          `container ${record.config.name} is not connected to network ${name}`,
        );
      await manager.update(record.id, { ...record.config, networks });
      publish(manager, "disconnect", name, record);
      await manager.networks.removeUnusedDefault();
      call.response.writeHead(200).end();
    }),
    route("POST", "/volumes/create", async (call) => {
      const { volumeBody, volumeConfigOf } = await import("./volume-body.ts");
      const body = await call.body(volumeBody);
      const config = volumeConfigOf(body);
      const isNew = manager.volumes.get(config.name) === undefined;
      const record = manager.volumes.create(config);
      if (isNew)
        manager.events.publish("volume", "create", config.name, { driver: "local", name: config.name });
      sendJson(call.response, 201, volumeShape(manager, record));
    }),
  ];
}

/** Runs an action that needs the volumes of a document; those that were created for it are removed if it fails. */
async function withVolumes<T>(manager: ContainerManager, stack: Stack, action: () => Promise<T>): Promise<T> {
  const { volumeOf } = await import("./volume-body.ts");
  const made: string[] = [];
  try {
    for (const volume of Object.values(stack.volumes)) {
      if (manager.volumes.get(volume.name)) continue;
      manager.volumes.create(volumeOf(volume, volume.labels));
      made.push(volume.name);
    }
    const result = await action();
    for (const name of made) manager.events.publish("volume", "create", name, { driver: "local", name });
    return result;
  } catch (error) {
    for (const name of made) manager.volumes.remove(name);
    throw error;
  }
}

/** The name of a network that a container can join. Throws NETWORK_NOT_FOUND, PREDEFINED_NETWORK. */
function networkToJoin(manager: ContainerManager, nameOrId: string): string {
  if (nameOrId === DEFAULT_NETWORK) return nameOrId;
  if (isPredefined(nameOrId))
    throw new BayError(
      "PREDEFINED_NETWORK",
      `a running container cannot be connected to the network ${nameOrId}`,
    );
  return findNetwork(manager, nameOrId).config.name;
}

/** Throws PREDEFINED_NETWORK: a container without a network namespace of its own, or with none by choice, joins no network. */
function checkJoinable(config: ContainerConfig): void {
  if (config.networkMode === "bridge") return;
  throw new BayError(
    "PREDEFINED_NETWORK",
    `container ${config.name} has the network mode ${config.networkMode} and cannot be connected to a network`,
  );
}

function publish(
  manager: ContainerManager,
  action: string,
  name: string,
  { id, config }: ContainerRecord,
): void {
  manager.events.publish("network", action, manager.networks.get(name)?.id ?? name, {
    container: id,
    name,
    type: "bridge",
    "container.name": config.name,
  });
}
