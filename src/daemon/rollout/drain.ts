/** Waits until no client uses a container that was removed from DNS and has released its published ports. */
import { setTimeout as sleep } from "node:timers/promises";
import type { ContainerManager, ContainerRecord } from "../../container/index.ts";
import { listeningPorts, tcpSockets } from "../../linux/index.ts";
import { DNS_TTL_SECONDS } from "../../network/index.ts";

const TTL = DNS_TTL_SECONDS * 1000;
/** Milliseconds between a DNS answer, or a change of a rule, and a connection that still follows it. */
const MARGIN = 100;
const LOOK = 25;

/**
 * Resolves when the last DNS answer with its address has expired and its connections have ended. Longer connections are left
 * to the container's own shutdown after its stop signal.
 */
export async function drain(manager: ContainerManager, record: ContainerRecord): Promise<void> {
  const began = Date.now();
  const told = manager.names.lastToldAt(record);
  const most = began + TTL + MARGIN;
  // what other hosts answered is not known here, and they learn of the change a moment later
  const least = isShared(manager, record) ? most : Math.max(began, told === 0 ? 0 : told + TTL) + MARGIN;
  for (;;) {
    const now = Date.now();
    if (now >= most || (now >= least && isUnused(record))) return;
    await sleep(LOOK);
  }
}

/** Whether containers of other hosts may use the container. */
function isShared(manager: ContainerManager, { endpoints }: ContainerRecord): boolean {
  const { overlays } = manager.networks;
  if (!overlays.underlay?.peers().length) return false;
  const shared = new Set(overlays.list().map(({ config }) => config.name));
  return endpoints.some(({ network }) => shared.has(network));
}

/** Ignores connections that the container itself opened. */
function isUnused({ state, config }: ContainerRecord): boolean {
  if (state.pid === 0 || config.networkMode !== "bridge") return true;
  const sockets = tcpSockets(state.pid);
  const served = listeningPorts(sockets);
  return !sockets.some((socket) => socket.state === "connected" && served.has(socket.localPort));
}
