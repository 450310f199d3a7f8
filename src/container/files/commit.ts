/** Makes an image from a container's current state. */
import type { ImageRecord, RunConfig } from "../../image/index.ts";
import { lookupDirectories } from "../lifecycle/start.ts";
import type { ContainerConfig } from "../model/config.ts";
import type { Host } from "../model/host.ts";
import type { ContainerRecord } from "../model/record.ts";

export interface CommitRequest {
  name: string | undefined;
  author?: string | undefined;
  comment?: string | undefined;
  /** Pause the container during the commit. */
  pause: boolean;
  /** Changes the new image's settings. It is called before anything is done, and may throw. */
  change?: (config: RunConfig) => RunConfig;
}

/** Makes an image from a container's current state, with the container's command, environment and other settings. */
export async function commitContainer(
  host: Host,
  record: ContainerRecord,
  { name, author, comment, pause, change = (config) => config }: CommitRequest,
): Promise<ImageRecord> {
  const { config } = record;
  const image = await host.images.get(config.image, config.imageId);
  const [upper = ""] = lookupDirectories(host, record, image);
  const changed = change({ ...image.config.config, ...runConfigOf(config, image.config.config) });
  const cgroup = host.groups.of(record);
  const holds = pause && record.state.status === "running";
  if (holds) cgroup.freeze(true);
  try {
    return await host.images.commit(image, upper, { name, author, comment, config: changed });
  } finally {
    if (holds && record.state.status === "running") cgroup.freeze(false);
  }
}

/** The container's settings that an image can have. */
function runConfigOf(config: ContainerConfig, base: RunConfig | null | undefined): RunConfig {
  const { args, env, user, workdir, exposed, stopSignal } = config;
  return {
    ...commandOf(args, base?.Entrypoint ?? []),
    Env: env,
    User: user,
    WorkingDir: workdir,
    ExposedPorts: Object.fromEntries(exposed.map((port) => [port, {}])),
    ...(stopSignal ? { StopSignal: stopSignal } : {}),
  };
}

/** A container has one list of arguments. If it begins with the image's entrypoint, that remains the entrypoint. */
function commandOf(args: readonly string[], entrypoint: readonly string[]): RunConfig {
  const isKept = entrypoint.length > 0 && entrypoint.every((word, index) => args[index] === word);
  const rest = isKept ? args.slice(entrypoint.length) : [...args];
  return { Entrypoint: isKept ? [...entrypoint] : null, Cmd: rest.length > 0 ? rest : null };
}
