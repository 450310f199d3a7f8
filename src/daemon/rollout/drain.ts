/** Waits until no client uses a container that was removed from DNS and has released its published ports. */
import { setTimeout as sleep } from "node:timers/promises";
import type { ContainerManager, ContainerRecord } from "../../container/index.ts";
import { listeningPorts, tcpSockets } from "../../linux/index.ts";
import { DNS_TTL_SECONDS } from "../../network/index.ts";

const TTL = DNS_TTL_SECONDS * 1000;
/** Between an answer, or a rule's change, and the connection that follows from it. */
const MARGIN = 100;
const LOOK = 25;

/**
 * Resolves when the last answer of DNS that named it may not be used any more and its connections have ended; those that
 * last longer than that are left to the container's own shutdown after its stop signal.
 */
export async function drain(manager: ContainerManager, record: ContainerRecord): Promise<void> {
  const began = Date.now();
  const told = manager.names.lastToldAt(record);
  const least = Math.max(began, told === 0 ? 0 : told + TTL) + MARGIN;
  const most = began + TTL + MARGIN;
  for (;;) {
    const now = Date.now();
    if (now >= most || (now >= least && isUnused(record))) return;
    await sleep(LOOK);
  }
}

/** Connections that the container made itself do not count. */
function isUnused({ state, config }: ContainerRecord): boolean {
  if (state.pid === 0 || config.networkMode !== "bridge") return true;
  const sockets = tcpSockets(state.pid);
  const served = listeningPorts(sockets);
  return !sockets.some((socket) => socket.state === "connected" && served.has(socket.localPort));
}
