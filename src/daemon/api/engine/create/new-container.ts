/** A container without a stack: from the body of `POST /containers/create` to the config that is recorded and run. */
import type { ContainerConfig, ContainerManager } from "../../../../container/index.ts";
import { BayError, hasCode } from "../../../../core/errors.ts";
import type { Image } from "../../../../image/index.ts";
import { DEFAULT_NETWORK } from "../../../../network/index.ts";
import { desiredConfig, mountedImages } from "../../../../reconcile/index.ts";
import { readDocument, type Service, type Stack } from "../../../../stack/index.ts";
import { findNetwork } from "../find-network.ts";
import type { CreateBody, EndpointSettings } from "./container-body.ts";
import { warningsOf } from "./problems.ts";
import { SERVICE, serviceDocument } from "./service-document.ts";

export interface NewContainer {
  config: ContainerConfig;
  /** The checked document: it also has the named volumes of the container. */
  stack: Stack;
  warnings: string[];
}

/** Throws BAD_REQUEST with all problems, and IMAGE_NOT_FOUND. */
export async function newContainer(
  manager: ContainerManager,
  name: string,
  body: CreateBody,
): Promise<NewContainer> {
  const image = await manager.images.get(body.Image);
  const attachments = attachmentsOf(manager, body);
  const document = serviceDocument(
    withNamesOf(manager, body),
    attachments,
    body.HostConfig?.PublishAllPorts ? exposedPorts(body, image) : [],
  );
  const { stack, problems } = readDocument(document, SERVICE);
  const warnings = warningsOf(problems);
  const service = stack.services[SERVICE]!;
  checkUnavailable(service);
  const config = configOf(
    stack,
    { ...service, image: body.Image, containerName: name },
    1,
    image,
    await imagesOf(manager, service),
    mountsOf(manager, service),
  );
  const { stdinOpen } = config;
  return {
    stack,
    warnings,
    config: {
      ...config,
      env: withoutRemoved(config.env, body.Env ?? []),
      labels: { ...image.config.config?.Labels, ...body.Labels },
      networks: config.networks.map((each) => ({
        ...each,
        aliases: attachments.get(each.network)?.Aliases ?? [],
      })),
      stdinOnce: stdinOpen && body.StdinOnce === true,
      ...(body.HostConfig?.AutoRemove ? { autoRemove: true } : {}),
      ...consoleSizeOf(body),
    },
  };
}

/** The networks of the container by name, the one of NetworkMode first. Throws BAD_REQUEST. */
function attachmentsOf(manager: ContainerManager, body: CreateBody): Map<string, EndpointSettings> {
  const mode = body.NetworkDisabled ? "none" : body.HostConfig?.NetworkMode || "default";
  const given = Object.entries(body.NetworkingConfig?.EndpointsConfig ?? {});
  const isShared = mode === "host" || mode === "none" || mode.startsWith("container:");
  if (isShared) {
    const other = given.find(([name]) => name !== mode);
    if (other)
      throw new BayError(
        "BAD_REQUEST",
        `NetworkMode ${mode} cannot be used together with the network ${other[0]}`,
      );
    return new Map();
  }
  const named = given.map(([name, settings]) => [networkName(manager, name), settings ?? {}] as const);
  const first = mode === "default" && named.length > 0 ? named[0]![0] : networkName(manager, mode);
  const all = new Map<string, EndpointSettings>([[first, {}], ...named]);
  const { IPAMConfig: ipam } = all.get(DEFAULT_NETWORK) ?? {};
  if (ipam?.IPv4Address || ipam?.IPv6Address)
    throw new BayError("BAD_REQUEST", "user specified IP address is supported on user defined networks only");
  return all;
}

/** The name of a network given by name or ID. `default` is another word for the default bridge. Throws BAD_REQUEST. */
function networkName(manager: ContainerManager, nameOrId: string): string {
  if (nameOrId === "default" || nameOrId === DEFAULT_NETWORK) return DEFAULT_NETWORK;
  try {
    return findNetwork(manager, nameOrId).config.name;
  } catch (cause) {
    // not "not found": Docker's client would pull the image, and try again
    throw new BayError("BAD_REQUEST", `network ${nameOrId} not found`, { cause });
  }
}

/** The body with names of containers where a client may also give IDs. Throws BAD_REQUEST. */
function withNamesOf(manager: ContainerManager, body: CreateBody): CreateBody {
  const host = body.HostConfig ?? {};
  const nameOf = (nameOrId: string) => {
    const found = manager.find(nameOrId);
    if (!found) throw new BayError("BAD_REQUEST", `No such container: ${nameOrId}`);
    return found.config.name;
  };
  const joined = (mode: string | undefined) =>
    mode?.startsWith("container:") ? `container:${nameOf(mode.slice("container:".length))}` : mode;
  return {
    ...body,
    HostConfig: {
      ...host,
      NetworkMode: body.NetworkDisabled ? "none" : joined(host.NetworkMode),
      PidMode: joined(host.PidMode),
      IpcMode: joined(host.IpcMode),
      VolumesFrom: host.VolumesFrom?.map((text) => {
        const [container = "", ...mode] = text.split(":");
        return [nameOf(container), ...mode].join(":");
      }),
    },
  };
}

const exposedPorts = (body: CreateBody, image: Image): string[] =>
  [
    ...new Set([
      ...Object.keys(body.ExposedPorts ?? {}),
      ...Object.keys(image.config.config?.ExposedPorts ?? {}),
    ]),
  ].map((port) => (port.includes("/") ? port : `${port}/tcp`));

/** Throws BAD_REQUEST: the service needs what this host lacks. */
function checkUnavailable({ unavailable = [] }: Service): void {
  if (unavailable.length > 0)
    throw new BayError(
      "BAD_REQUEST",
      unavailable.map(({ message }) => message.replace(/^services\.[^:]+: /, "")).join("; "),
    );
}

/** Calls `desiredConfig`. Throws BAD_REQUEST with Docker's words if neither the request nor the image has a command. */
function configOf(...given: Parameters<typeof desiredConfig>): ContainerConfig {
  try {
    return desiredConfig(...given);
  } catch (cause) {
    if (!hasCode(cause, "NO_COMMAND")) throw cause;
    throw new BayError("BAD_REQUEST", "no command specified", { cause });
  }
}

/** The images that the container mounts, by reference. Throws IMAGE_NOT_FOUND. */
async function imagesOf(
  manager: ContainerManager,
  service: Service,
): Promise<Record<string, { id: string }>> {
  const images = mountedImages(service).map(async (name) => [name, await manager.images.get(name)] as const);
  return Object.fromEntries(await Promise.all(images));
}

/** The mounts of the containers under VolumesFrom. */
const mountsOf = (manager: ContainerManager, { containerVolumes = [] }: Service) =>
  Object.fromEntries(
    containerVolumes.map(({ container }) => [container, manager.get(container).config.mounts]),
  );

/** A name without a value removes the variable of the image, as in Docker. */
function withoutRemoved(env: readonly string[], given: readonly string[]): string[] {
  const removed = new Set(given.filter((entry) => !entry.includes("=")));
  return env.filter((entry) => !removed.has(entry.split("=", 1)[0]!));
}

function consoleSizeOf({ HostConfig: host = {} }: CreateBody): Pick<ContainerConfig, "consoleSize"> {
  const [height = 0, width = 0] = host.ConsoleSize ?? [];
  return height > 0 && width > 0 ? { consoleSize: { height, width } } : {};
}
