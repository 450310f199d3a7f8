/** What the parts of container/ share: the roots, the rooms below, and a few callbacks of the manager. */
import type { DaemonSettings } from "../../core/daemon-settings.ts";
import type { Roots } from "../../core/roots.ts";
import type { ImageStore } from "../../image/index.ts";
import type { CgroupManager } from "../../linux/index.ts";
import type { DnsSockets, NetworkManager } from "../../network/index.ts";
import type { Store } from "../../store/index.ts";
import type { VolumeStore } from "../../volume/index.ts";
import type { Exec } from "../exec/exec.ts";
import type { Groups } from "../lifecycle/cgroups.ts";
import type { LogCollector } from "../logs/collector.ts";
import type { Forwarders } from "../logs/forwarders.ts";
import type { SecretFiles } from "../spec/secret-files.ts";
import type { EventLog } from "./events.ts";
import type { ContainerRecord } from "./record.ts";

export interface Host {
  readonly roots: Roots;
  readonly settings: DaemonSettings;
  readonly store: Store;
  readonly images: ImageStore;
  readonly volumes: VolumeStore;
  readonly secretFiles: SecretFiles;
  readonly networks: NetworkManager;
  readonly cgroups: CgroupManager;
  readonly groups: Groups;
  readonly logs: LogCollector;
  readonly forwarders: Forwarders;
  readonly events: EventLog;
  /** Files by which a shim joins its own cgroup. */
  readonly shimJoinFiles: string[];
  /** A running container by name or ID. */
  findRunning(nameOrId: string): ContainerRecord | undefined;
  /** The exec is told of its end when its shim announces it. */
  trackExec(exec: Exec): void;
  /** `isFresh`: the namespace was made just now and has no rules yet. `kept`: the sockets that a bayd before had. */
  serveDns(record: ContainerRecord, options: { isFresh?: boolean; kept?: DnsSockets | undefined }): void;
  /** Called when the FIFOs exist and before the process runs. */
  beforeLaunch(record: ContainerRecord, stdinFifo: string): void;
}
