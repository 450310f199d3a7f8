/** Joins the cluster with what it needs of bayd: its containers, its overlay networks and its server. */
import type { Socket } from "node:net";
import type { ContainerManager } from "../../container/index.ts";
import { LIMITS } from "../../core/limits.ts";
import { Cluster } from "../../host/index.ts";
import { markPeer } from "../api/peers.ts";
import { PENDING_LIMITS, PendingClients } from "../api/pending-clients.ts";
import { maxConnections } from "../api/server.ts";
import { serveStranger } from "./join.ts";
import { keepRenewed } from "./renewal.ts";
import { sharedContainers } from "./shared-containers.ts";

/** `serve` takes over a connection of a member. */
export function makeCluster(
  manager: ContainerManager,
  serve: (socket: Socket) => void,
  warn: (text: string) => void,
): Cluster {
  const { overlays } = manager.networks;
  const cluster: Cluster = new Cluster({
    root: manager.roots.root,
    run: manager.roots.run,
    store: manager.store,
    containers: () => sharedContainers(manager),
    tunnel: () => overlays.facts(),
    changed: () => {
      overlays.underlay = cluster.underlay;
      overlays.sync();
      manager.emit("peers");
    },
    serve: (socket) => {
      markPeer(socket, { kind: "member" });
      serve(socket);
    },
    join: serveStranger(() => cluster, warn),
    maxConnections: Math.min(LIMITS.cluster.connections, maxConnections()),
    pending: new PendingClients({ ...PENDING_LIMITS, ofAddress: LIMITS.cluster.handshakesOfAddress }),
    warn,
  });
  overlays.underlay = cluster.underlay;
  manager.remoteContainers = () => cluster.remoteContainers();
  keepRenewed(cluster, warn);
  manager.on("changed", () => cluster.publisher.refresh());
  return cluster;
}
