/** The supervision of all containers: what bayd takes over at its start, and what it repairs every two seconds. */
import type { LeftExecs } from "../exec/left-execs.ts";
import type { Host } from "../model/host.ts";
import { isRunning } from "../model/records.ts";
import type { LimitRepair } from "./limit-repair.ts";
import type { LiveUpdate } from "./live-update.ts";
import { endLostShims, removeOrphans } from "./orphans.ts";
import type { Pausing } from "./pausing.ts";
import type { Removal } from "./removal.ts";
import type { StartStop } from "./start-stop.ts";
import type { ContainerSupervisor } from "./supervisor.ts";
import type { Tasks } from "./tasks.ts";

interface Parts {
  supervisor: ContainerSupervisor;
  removal: Removal;
  pausing: Pausing;
  startStop: StartStop;
  liveUpdate: LiveUpdate;
  leftExecs: LeftExecs;
  limitRepair: LimitRepair;
  tasks: Tasks;
}

export class Supervision {
  constructor(
    readonly host: Host,
    readonly parts: Parts,
  ) {}

  /**
   * Called at bayd's start: takes over running containers, records those that have ended, and starts those that should run.
   */
  async adopt(): Promise<void> {
    const { host, parts } = this;
    const { networks, volumes } = host;
    const records = host.records.list();
    // before this bayd runs a command of its own
    parts.leftExecs.adopt(records.filter(isRunning));
    endLostShims(host, new Set([...records.map(({ state }) => state.shimPid), ...parts.leftExecs.shims()]));
    networks.ports.kept.adopt();
    await Promise.all(records.map((record) => parts.supervisor.adopt(record)));
    await host.ingress.adopt();
    parts.pausing.releaseAll();
    for (const record of host.records.list()) void parts.startStop.startHooks(record).catch(() => {});
    networks.ports.kept.settle();
    networks.firewall.apply();
    networks.saveRules();
    removeOrphans(host, host.records.list(), (id) => parts.removal.removeFiles(id));
    parts.supervisor.detachVolumes(volumes.list().map(({ config }) => config.name));
    await parts.tasks.tidy();
    for (const record of host.records.list()) {
      parts.supervisor.resume(record);
      if (["exited", "created"].includes(record.state.status)) parts.removal.removeOneOff(record);
    }
  }

  /** Runs every two seconds: finds ends that were not announced, and lost links and rules. Returns what was repaired. */
  async observe(repair: boolean): Promise<string[]> {
    const { supervisor, leftExecs, liveUpdate, limitRepair } = this.parts;
    const { networks, ports, records } = this.host;
    for (const record of records.list()) if (supervisor.hasEnded(record)) await supervisor.settle(record);
    leftExecs.observe();
    limitRepair.look();
    if (!repair) return [];
    const repairs = networks.links.repair();
    networks.saveRules();
    for (const { container, hostPort, protocol } of await ports.retake())
      repairs.push(`container ${container}: port ${hostPort}/${protocol}`);
    for (const name of liveUpdate.repairAllLimits()) repairs.push(`container ${name}: limits`);
    return repairs;
  }
}
