/** The namespaces that a service shares with another service's container (Compose specification, network_mode, pid and ipc). */
import type { Service } from "../model/stack.ts";

const SHARED = [
  { key: "network_mode", mode: "networkMode", part: "network" },
  { key: "pid", mode: "pidMode", part: "processes" },
  { key: "ipc", mode: "ipcMode", part: "shared memory" },
] as const;

type Modes = Pick<Service, "networkMode" | "pidMode" | "ipcMode">;

export interface Share {
  /** The service that owns the container. */
  owner: string;
  key: (typeof SHARED)[number]["key"];
  part: (typeof SHARED)[number]["part"];
}

/** The namespaces that a service shares with other services: the modes `service:NAME`. */
export function sharesOf(service: Modes): Share[] {
  return SHARED.flatMap(({ key, mode, part }) => {
    const text: string = service[mode];
    return text.startsWith("service:") ? [{ owner: text.slice("service:".length), key, part }] : [];
  });
}

/** The namespaces that a service shares with one other service; undefined if it shares none. */
export const shareWith = (service: Modes, owner: string): Share | undefined =>
  sharesOf(service).find((share) => share.owner === owner);

/** Services whose namespaces a service shares. */
export const ownersOf = (service: Modes): string[] => [
  ...new Set(sharesOf(service).map(({ owner }) => owner)),
];
