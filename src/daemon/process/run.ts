/** bayd itself: takes the lock, adopts running containers, serves the socket, and repairs every two seconds. */
import { rmSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import { type Builder, CacheMounts, KeptRepositories, loadBuilder, StepStore } from "../../build/index.ts";
import { ContainerManager, endRestores } from "../../container/index.ts";
import { readDaemonSettings } from "../../core/daemon-settings.ts";
import { BayError, messageOf } from "../../core/errors.ts";
import { makeRoots, type Roots, socketPath } from "../../core/roots.ts";
import { signalName } from "../../core/signals.ts";
import type { Cluster } from "../../host/index.ts";
import { keepWorkerFiles } from "../../image/index.ts";
import { takeLastEnd, tryLock } from "../../linux/index.ts";
import { JournalStore, replaceFile, roomWarnings, watchRooms } from "../../store/index.ts";
import { catchEverything } from "../api/guard.ts";
import { createEngineServer, listen } from "../api/server.ts";
import { makeCluster } from "../cluster/cluster.ts";
import { ClusterStacks } from "../cluster/cluster-stacks.ts";
import type { ExtendDaemon } from "../extension.ts";
import { StackService } from "../stacks/stack-service.ts";
import { IdleMemory } from "./idle-memory.ts";
import { Listeners } from "./listeners.ts";
import { applyBounds, type Reloaded, reloadSettings, warnOfSettings } from "./settings.ts";
import { groupId } from "./socket-group.ts";

const OBSERVE_INTERVAL = 1000;

export interface DaemonOptions {
  roots: Roots;
  repair: boolean;
  group: string | undefined;
  /** What higher rooms add to bayd. */
  extend?: readonly ExtendDaemon[];
}

/** Runs until it receives a signal or a request to stop. Throws ALREADY_RUNNING if another bayd uses these roots. */
export async function runDaemon(options: DaemonOptions): Promise<void> {
  const { roots } = options;
  if (options.group !== undefined) groupId(options.group);
  keepWorkerFiles();
  makeRoots(roots);
  watchRooms(roots);
  if (tryLock(join(roots.root, "state", "lock")) === undefined) {
    throw new BayError("ALREADY_RUNNING", `another bayd is running with the root ${roots.root}`);
  }
  logLastEnd(join(roots.run, "keeper"));
  process.umask(0o022); // the modes of containers' directories must not depend on the caller's umask
  const store = new JournalStore(join(roots.root, "state"));
  if (store.migratedFrom !== undefined) log(`the state was migrated from format ${store.migratedFrom}`);
  const settings = readDaemonSettings();
  applyBounds(settings);
  const manager = new ContainerManager(roots, store, settings);
  let built: Builder | undefined;
  manager.on("warning", (text) => log(text));
  warnOfSettings(manager);
  manager.logs.on("broken", (error) => {
    // without the log worker output would not be collected; the keeper restarts bayd
    log(`the log worker ended: ${messageOf(error)}`);
    process.exit(70);
  });
  await endRestores(manager);
  await manager.adopt();
  const steps = new StepStore(manager.images, store);
  steps.sweep();
  const cacheMounts = new CacheMounts(join(roots.root, "build-cache"), store);
  cacheMounts.sweep();
  const repositories = new KeptRepositories(join(roots.root, "build-sources"));
  repositories.sweep();
  const builder = async () => {
    const { Builder } = await loadBuilder();
    built ??= new Builder(manager, steps, cacheMounts, repositories);
    return built;
  };
  const stacks = new StackService(manager, builder);
  let connect: (socket: Socket) => void = (socket) => socket.destroy();
  const cluster: Cluster = makeCluster(manager, (socket) => connect(socket), log);
  stacks.images.connectTo = async (host) => cluster.connect(cluster.membership.require(host));
  const extensions = (options.extend ?? []).map((extend) => extend({ manager, stacks, log }));
  let timer: NodeJS.Timeout | undefined;
  let removeSockets = () => {};
  const done = new Promise<void>((resolve) => {
    const shutDown = () => resolve();
    const reload = () => reloadSettings(manager, listeners);
    const server = createEngineServer({
      manager,
      stacks,
      steps,
      cacheMounts,
      repositories,
      builder,
      cluster,
      clusterStacks: new ClusterStacks(cluster, stacks),
      reload,
      shutDown,
      more: extensions.flatMap(({ routes }) => routes),
    });
    connect = (socket) => void server.emit("connection", socket);
    const listeners = new Listeners(server, options.group, log);
    removeSockets = () => listeners.removeSockets();
    void listen(server, socketPath(roots), options.group).then(() => {
      catchEverything();
      replaceFile(join(roots.run, "bayd.pid"), String(process.pid));
      log(`bayd ${process.pid} serves ${socketPath(roots)}`);
      void cluster.start();
      void listeners.apply(settings.listen);
      for (const { start } of extensions) start();
    });
    process.on("SIGHUP", () => void logReload(reload));
    for (const signal of ["SIGTERM", "SIGINT"] as const)
      process.once(signal, () => {
        log(`bayd ${process.pid} stops: ${signal}`);
        shutDown();
      });
    const memory = new IdleMemory();
    let told = "";
    const lookAtRooms = () => {
      // one line for each change of state, not for each byte
      const warnings = roomWarnings(roots);
      const states = warnings.map((text) => text.replace(/:.*/, "")).join();
      if (states !== told) for (const text of warnings) log(text);
      told = states;
      if (warnings.length === 0) store.keepReserve();
    };
    const pass = async () => {
      try {
        lookAtRooms();
        for (const repaired of await manager.observe(options.repair)) log(`repaired ${repaired}`);
      } catch (error) {
        log(`observe: ${messageOf(error)}`);
      }
      memory.look();
      timer = setTimeout(pass, OBSERVE_INTERVAL);
    };
    timer = setTimeout(pass, OBSERVE_INTERVAL);
  });
  await done;
  clearTimeout(timer);
  rmSync(socketPath(roots), { force: true });
  await cluster.close();
  removeSockets();
  await Promise.all(extensions.map(({ close }) => close()));
  await manager.close();
  await manager.removeGroups();
  await store.flush();
  process.exit(0);
}

/** Logs the end of a previous bayd that was killed or crashed, and could not log it itself. */
function logLastEnd(keeperFile: string): void {
  const end = takeLastEnd(keeperFile);
  if (end?.signal !== undefined) log(`the previous bayd was ended by ${signalName(end.signal)}`);
  else if (end && end.exitCode !== 0) log(`the previous bayd ended with exit code ${end.exitCode}`);
}

async function logReload(reload: () => Promise<Reloaded>): Promise<void> {
  try {
    const { file, changes } = await reload();
    const shown = changes.map(({ key, from, to }) => `${key}: ${from} -> ${to}`).join(", ");
    log(`reloaded ${file}: ${shown || "no changes"}`);
  } catch (error) {
    log(`the settings are unchanged: ${messageOf(error)}`);
  }
}

function log(text: string): void {
  process.stderr.write(`${new Date().toISOString()} ${text}\n`);
}
