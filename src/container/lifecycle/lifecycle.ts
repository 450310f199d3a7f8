/** The parts that act on containers, in the order of their dependencies. ContainerManager is their facade. */
import { LeftExecs } from "../exec/left-execs.ts";
import type { Host } from "../model/host.ts";
import type { Records } from "../model/records.ts";
import type { AttachedSessions } from "./attached-sessions.ts";
import { Creation } from "./creation.ts";
import { LimitRepair } from "./limit-repair.ts";
import { LiveUpdate } from "./live-update.ts";
import { Pausing } from "./pausing.ts";
import { Removal } from "./removal.ts";
import { StartStop } from "./start-stop.ts";
import { Supervision } from "./supervision.ts";
import { ContainerSupervisor } from "./supervisor.ts";
import type { Tasks } from "./tasks.ts";

export class Lifecycle {
  readonly leftExecs: LeftExecs;
  readonly supervisor: ContainerSupervisor;
  readonly removal: Removal;
  readonly creation: Creation;
  readonly pausing: Pausing;
  readonly startStop: StartStop;
  readonly liveUpdate: LiveUpdate;
  readonly limitRepair: LimitRepair;
  readonly supervision: Supervision;

  constructor(host: Host, records: Records, sessions: AttachedSessions, tasks: Tasks) {
    this.leftExecs = new LeftExecs(host);
    this.supervisor = new ContainerSupervisor(host, records, sessions);
    this.removal = new Removal(host, records, this.supervisor);
    this.creation = new Creation(host, records, this.supervisor, this.removal);
    this.pausing = new Pausing(host, records, this.supervisor, sessions, this.leftExecs);
    this.startStop = new StartStop(host, records, this.supervisor, this.pausing, this.removal);
    this.liveUpdate = new LiveUpdate(host, records, this.supervisor);
    this.limitRepair = new LimitRepair(host);
    this.supervision = new Supervision(host, { ...this, tasks });
  }
}
