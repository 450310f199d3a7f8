/** The plan of `bay run`: one container of a service, changed for one command, and not counted among its replicas. Pure. */
import { type ContainerConfig, LABELS } from "../../container/index.ts";
import { BayError } from "../../core/errors.ts";
import { type Stack, serviceOf } from "../../stack/index.ts";
import { desiredConfig, mountedImages } from "../decide/desired.ts";
import type { Actual } from "../model/actual.ts";
import { type Plan, say, stepOf } from "../model/step.ts";
import { checkAvailable, checkContainerVolumes } from "./options.ts";

export interface OneOffRequest {
  service: string;
  name: string | undefined;
  /** Replaces the command, and the entry point if given. */
  command: string[] | undefined;
  entrypoint: string[] | undefined;
  override: Partial<ContainerConfig>;
  servicePorts: boolean;
  /** Answer to the service's names on its networks. */
  useAliases?: boolean;
  /** Variables that override the service's. */
  labels?: Record<string, string>;
  autoRemove: boolean;
  /** Also start the container. */
  start: boolean;
  /** Distinguishes it from others of the service: 12 hexadecimal digits. */
  suffix: string;
}

/** Plans the container. Throws UNKNOWN_SERVICE, IMAGE_NOT_FOUND, UNAVAILABLE. */
export function makeOneOffPlan(stack: Stack, actual: Actual, request: OneOffRequest): Plan {
  const config = oneOffConfig(stack, actual, request);
  const { name } = config;
  const { service, start } = request;
  const create = stepOf({
    kind: "container.create",
    name,
    service,
    reasons: [say(`runs ${config.args.join(" ")}`)],
    container: { id: undefined, config, start: false },
  });
  const begin = stepOf({
    kind: "container.start",
    name,
    service,
    reasons: [say("created but not started")],
    after: [create.id],
    container: { id: undefined, config: undefined, start: true },
  });
  return { stack: stack.name, warnings: [], steps: start ? [create, begin] : [create] };
}

function oneOffConfig(stack: Stack, actual: Actual, request: OneOffRequest): ContainerConfig {
  const service = serviceOf(stack, request.service);
  checkAvailable(stack, [service]);
  checkContainerVolumes(actual, [service]);
  const imageOf = (reference: string) => {
    const image = actual.images[reference];
    if (image) return image;
    throw new BayError("IMAGE_NOT_FOUND", `service ${service.name}: the image ${reference} does not exist`, {
      hint: `bay up --no-start ${service.name} creates, builds or pulls it`,
    });
  };
  const { command, entrypoint, servicePorts, autoRemove } = request;
  const changed = {
    ...service,
    ...(command ? { command } : {}),
    ...(entrypoint ? { entrypoint, command: command ?? [] } : {}),
  };
  const mounted = Object.fromEntries(mountedImages(service).map((name) => [name, imageOf(name)]));
  // hooks belong to the service's regular containers
  const { hooks: _, ...config } = desiredConfig(
    stack,
    changed,
    1,
    imageOf(service.image),
    mounted,
    actual.containerMounts,
  );
  const { env = [], mounts = [], ports = [], capAdd, capDrop, ...rest } = request.override;
  const nameOf = (entry: string) => entry.split("=", 1)[0];
  return {
    ...config,
    ...rest,
    autoRemove,
    name: request.name ?? `${stack.name}-${service.name}-run-${request.suffix}`,
    hostname: "",
    restart: { policy: "no", maxRetries: 0 },
    env: [...config.env.filter((entry) => !env.some((own) => nameOf(own) === nameOf(entry))), ...env],
    mounts: [
      ...config.mounts.filter(({ target }) => !mounts.some((own) => own.target === target)),
      ...mounts,
    ],
    ports: [...(servicePorts ? config.ports : []), ...ports],
    networks: config.networks.map(({ network, aliases }) => ({
      network,
      aliases: request.useAliases ? aliases : [],
      ipv4: undefined,
    })),
    capAdd: [...config.capAdd, ...(capAdd ?? [])],
    capDrop: [...config.capDrop, ...(capDrop ?? [])],
    labels: { ...config.labels, ...request.labels, [LABELS.oneOff]: "True" },
  };
}
