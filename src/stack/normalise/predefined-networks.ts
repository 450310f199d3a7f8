/** The networks that exist on each host without being created, as in Docker: their names mean a mode, not a network. */
import type { FileInput, ServiceInput } from "../schema/schema.ts";

/** Names that no network of a stack can have on the host. `default` and `bridge` are aliases in Docker's network_mode. */
export const PREDEFINED_NETWORKS: readonly string[] = ["host", "none", "bridge", "default"];

export type PredefinedMode = "host" | "none";

type NetworkInput = NonNullable<FileInput["networks"]>[string];

const modeOf = (key: string, network: NetworkInput): PredefinedMode | undefined => {
  const external = network?.external;
  if (external === undefined || external === false || external === "false") return undefined;
  const name = network?.name ?? (typeof external === "object" ? external.name : undefined) ?? key;
  return name === "host" || name === "none" ? name : undefined;
};

/** The keys of external networks that are called host or none on the host, with the mode that each one means. */
export function predefinedNetworks(networks: FileInput["networks"]): ReadonlyMap<string, PredefinedMode> {
  return new Map(
    Object.entries(networks ?? {}).flatMap(([key, network]) => {
      const mode = modeOf(key, network);
      return mode === undefined ? [] : [[key, mode] as const];
    }),
  );
}

export interface JoinedPredefined {
  mode: PredefinedMode;
  /** Why the service cannot have this mode, after the key under `networks`. */
  problem?: { key: string; message: string };
}

/** The predefined network that a service joins through `networks`, or as its default network; undefined if it joins none. */
export function joinedPredefined(
  { networks, network_mode }: Pick<ServiceInput, "networks" | "network_mode">,
  predefined: ReadonlyMap<string, PredefinedMode>,
): JoinedPredefined | undefined {
  if (network_mode !== undefined) return undefined;
  const joined = Array.isArray(networks)
    ? networks.map((key) => [String(key), undefined] as const)
    : Object.entries(networks ?? { default: undefined });
  const found = joined.find(([key]) => predefined.has(key));
  if (found === undefined) return undefined;
  const [key, settings] = found;
  const mode = predefined.get(key)!;
  if (joined.length > 1)
    return { mode, problem: { key, message: `the network ${mode} cannot be combined with other networks` } };
  const [setting] = Object.keys(settings ?? {});
  return setting === undefined
    ? { mode }
    : { mode, problem: { key, message: `${setting} cannot be set on the network ${mode}` } };
}
