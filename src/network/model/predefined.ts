/**
 * The networks that exist without being created, as in Docker (dockerd(8)): `bridge` for containers without another network,
 * `host` and `none`. bay creates the bridge for the first container on it, and removes it after the last one.
 */
import { createHash } from "node:crypto";
import type { NetworkConfig } from "./network.ts";

export const DEFAULT_NETWORK = "bridge";

/** Networks that cannot be created, removed or pruned by a client. */
export const PREDEFINED = [DEFAULT_NETWORK, "host", "none"] as const;

export const isPredefined = (name: string): boolean => (PREDEFINED as readonly string[]).includes(name);

/** The ID of a predefined network: the same before and after its bridge exists. `tag` distinguishes several bays of a host. */
export const predefinedId = (tag: string, name: string): string =>
  createHash("sha256").update(`${tag} ${name}`).digest("hex");

/** As on Docker's default bridge, containers do not know each other's names, except by links. */
export const knowsNames = (network: string): boolean => network !== DEFAULT_NETWORK;

/** A bridge of bay itself, which belongs to no stack. */
export const ownBridge = (name: string, key: string): NetworkConfig => ({
  name,
  stack: undefined,
  key,
  driver: "bridge",
  internal: false,
  subnet: undefined,
  gateway: undefined,
  mtu: undefined,
  labels: {},
});

export const DEFAULT_NETWORK_CONFIG = ownBridge(DEFAULT_NETWORK, DEFAULT_NETWORK);
