/** Runs one step of a plan with the container manager. Every step is idempotent. */
import { type ContainerManager, LABELS } from "../../container/index.ts";
import { BayError, hasCode, messageOf } from "../../core/errors.ts";
import type { NetworkConfig } from "../../network/index.ts";
import type { Executor, Step } from "../../reconcile/index.ts";
import type { Condition, Stack } from "../../stack/index.ts";
import type { VolumeConfig } from "../../volume/index.ts";
import { supported, VXLAN_PORT } from "../cluster/resolve-overlays.ts";
import { failureOf } from "../rollout/failure.ts";
import { Rollouts } from "../rollout/rollouts.ts";
import { bridgeSettings } from "./bridge-settings.ts";
import { withFiles } from "./secret-content.ts";
import { checkIsWanted, nextChange, servingContainers } from "./waiting.ts";

export interface UpSettings {
  /** Grace period of stops; undefined for each container's own. */
  graceMs: number | undefined;
  /** How long to wait for conditions of dependencies; undefined for no limit. */
  timeoutMs: number | undefined;
  /** Aborted when no client waits for the result any more. */
  signal?: AbortSignal | undefined;
  /** The most steps to run in parallel; undefined for bay's default. */
  parallel?: number | undefined;
}

export function makeExecutor(
  manager: ContainerManager,
  stack: Stack | undefined,
  settings: UpSettings,
): Executor {
  const stopAndRemove = async (id: string, volumes: boolean) => {
    await manager.stop(id, settings.graceMs);
    await manager.remove(id, { volumes });
  };
  const rollouts = new Rollouts(manager, stack!, settings);
  const start = async (step: Step, id: string, say: (message: string) => void) => {
    if (!step.container!.start) return;
    await waits(step, say);
    await manager.start(id);
  };
  const waits = async (step: Step, say: (message: string) => void) => {
    for (const { service, condition, required } of step.waits) {
      try {
        await waitFor(manager, stack!, service, condition, settings, say);
      } catch (error) {
        if (required || !hasCode(error, "DEPENDENCY_FAILED")) throw error;
        say(`continuing without ${service}: ${messageOf(error)}`);
      }
    }
  };
  const handlers: Record<Step["kind"], (step: Step, say: (message: string) => void) => Promise<void>> = {
    // images are created before the plan that is applied here
    "image.build": async () => {},
    "image.make": async () => {},
    "image.pull": async () => {},
    "image.fetch": async () => {},
    "network.create": async ({ name }) => {
      await manager.networks.create(networkConfig(stack!, name));
      manager.events.publish("network", "create", name, { name });
    },
    "network.replace": async ({ name, users }) => {
      await manager.networks.replace(networkConfig(stack!, name), users ?? []);
      manager.events.publish("network", "create", name, { name });
    },
    "network.update": async ({ name }) => manager.networks.relabel(name, networkConfig(stack!, name).labels),
    "network.remove": async ({ name }) => {
      await manager.networks.remove(name);
      manager.events.publish("network", "destroy", name, { name });
    },
    "network.repair": async () => void manager.networks.links.repair(),
    "host.repair": async () => void manager.networks.links.repair(),
    "volume.create": async ({ name }) => {
      manager.volumes.create(volumeConfig(stack!, name));
      manager.events.publish("volume", "create", name, { name });
    },
    "volume.update": async ({ name }) => manager.volumes.change(name, volumeConfig(stack!, name)),
    "volume.remove": async ({ name }) => {
      manager.volumes.remove(name);
      manager.events.publish("volume", "destroy", name, { name });
    },
    "port.release": async ({ container, ports }) => manager.releasePorts(container!.id!, ports ?? []),
    "container.create": async (step, say) => {
      const config = step.container!.config!;
      const record = await withFiles(manager, stack!, config, () => manager.create(config));
      await start(step, record.id, say);
    },
    "container.replace": async (step, say) => {
      if (step.rollout) return rollouts.replace(step, () => waits(step, say), say);
      const { id, config, volumes } = step.container!;
      const how = { graceMs: settings.graceMs, renewVolumes: volumes === "renewed" };
      const record = await withFiles(manager, stack!, config!, () => manager.replace(id!, config!, how));
      await start(step, record.id, say);
    },
    "container.update": async ({ container }) => {
      await manager.update(container!.id!, container!.config!);
      manager.repairLimits(container!.id!);
      manager.networks.links.repair();
    },
    // a container that the same plan creates has only a name before
    "container.start": async (step, say) => start(step, step.container!.id ?? step.name, say),
    "container.restart": async ({ container }) => manager.restart(container!.id!, settings.graceMs),
    "container.remove": async ({ container }) => {
      try {
        await stopAndRemove(container!.id!, container!.volumes === "removed");
      } catch (error) {
        if (!hasCode(error, "CONTAINER_NOT_FOUND")) throw error;
      }
    },
  };
  return (step, say) => handlers[step.kind](step, say);
}

function networkConfig(stack: Stack, name: string): NetworkConfig {
  const [key, network] = Object.entries(stack.networks).find(([, candidate]) => candidate.name === name)!;
  const { overlay } = network;
  const labels = { ...network.labels, [LABELS.stack]: stack.name, [LABELS.network]: key };
  return {
    name,
    stack: stack.name,
    key,
    driver: overlay ? "overlay" : "bridge",
    ...(overlay ? { overlay: overlayOptions(key, overlay) } : {}),
    ...bridgeSettings(network),
    labels,
  };
}

/** The part of an overlay that is the same on all hosts; the plan over the hosts has filled in what the file leaves open. */
function overlayOptions(
  key: string,
  { id, port, encapsulation, isEncrypted }: NonNullable<Stack["networks"][string]["overlay"]>,
): NonNullable<NetworkConfig["overlay"]> {
  if (id === undefined)
    throw new BayError("NOT_A_MEMBER", `networks.${key}: an overlay network needs a cluster of hosts`, {
      hint: "run bay host init on one host, and bay host join on the others",
    });
  return {
    encapsulation: supported(key, encapsulation, isEncrypted),
    id,
    port: port ?? VXLAN_PORT,
    ...(isEncrypted ? { isEncrypted } : {}),
  };
}

function volumeConfig(stack: Stack, name: string): VolumeConfig {
  const [key, volume] = Object.entries(stack.volumes).find(([, candidate]) => candidate.name === name)!;
  const labels = { ...volume.labels, [LABELS.stack]: stack.name, [LABELS.volume]: key };
  return {
    name,
    stack: stack.name,
    key,
    anonymous: false,
    device: volume.device,
    mount: volume.mount,
    labels,
  };
}

/** Waits until a dependency meets its `depends_on` condition. Throws DEPENDENCY_FAILED if it cannot. */
async function waitFor(
  manager: ContainerManager,
  stack: Stack,
  service: string,
  condition: Condition,
  { timeoutMs, signal }: UpSettings,
  say: (message: string) => void,
): Promise<void> {
  const deadline = timeoutMs === undefined ? Number.POSITIVE_INFINITY : Date.now() + timeoutMs;
  for (let told = false; ; ) {
    checkIsWanted(signal);
    const own = servingContainers(manager, stack.name, (name) => name === service);
    const others = manager
      .remoteContainers()
      .filter((container) => container.stack === stack.name && container.service === service);
    const states = [
      ...own.map((record) => judge(manager, record.id, condition, service)),
      ...others.map((container) => judgeRemote(container, condition)),
    ];
    if (states.length > 0 && states.every(Boolean)) return;
    if (states.length === 0 && condition === "service_started") return;
    if (!told) say(`waiting for ${service}`);
    told = true;
    if (Date.now() > deadline) throw new BayError("DEPENDENCY_FAILED", `${service} was not ready in time`);
    await nextChange(manager, 1000);
  }
}

/** The same for a container of another host of the cluster. */
function judgeRemote(
  { name, status, health, exitCode }: ReturnType<ContainerManager["remoteContainers"]>[number],
  condition: Condition,
): boolean {
  const hasEnded = status === "exited" || status === "dead";
  const failed = (why: string) => new BayError("DEPENDENCY_FAILED", `the dependency ${name} ${why}`);
  if (condition === "service_completed_successfully") {
    if (hasEnded && exitCode !== 0) throw failed(`ended with exit code ${exitCode}`);
    return hasEnded;
  }
  if (condition === "service_started") return status === "running" || hasEnded;
  if (health === "none") throw failed("has no health check, so it cannot become healthy");
  if (hasEnded) throw failed("has ended");
  return health === "healthy";
}

function judge(manager: ContainerManager, id: string, condition: Condition, service: string): boolean {
  const { state, config } = manager.get(id);
  const ended = state.status === "exited" || state.status === "dead";
  const failed = (why: string) =>
    new BayError("DEPENDENCY_FAILED", `the dependency ${config.name} ${why}`, {
      hint: `bay logs ${service} shows more`,
    });
  const failure = failureOf(manager, manager.get(id));
  if (condition === "service_completed_successfully") {
    if (failure) throw failed(failure);
    return ended && state.exitCode === 0;
  }
  if (state.status === "paused") throw failed("is paused");
  if (condition === "service_started") return state.status === "running" || ended;
  if (!config.health)
    throw new BayError("DEPENDENCY_FAILED", `${service} has no health check, so it cannot become healthy`, {
      hint: "add a healthcheck, or use condition: service_started",
    });
  if (failure) throw failed(failure);
  if (ended) throw failed("has ended");
  return manager.health(id) === "healthy";
}
