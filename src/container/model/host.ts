/** What the parts of container/ share: the roots, the rooms below, and each other. The manager implements it. */
import type { DaemonSettings } from "../../core/daemon-settings.ts";
import type { Roots } from "../../core/roots.ts";
import type { ImageStore } from "../../image/index.ts";
import type { CgroupManager } from "../../linux/index.ts";
import type { NetworkManager } from "../../network/index.ts";
import type { Store } from "../../store/index.ts";
import type { VolumeStore } from "../../volume/index.ts";
import type { RunningExecs } from "../exec/running-execs.ts";
import type { FileTurns } from "../files/file-turns.ts";
import type { AttachedSessions } from "../lifecycle/attached-sessions.ts";
import type { Groups } from "../lifecycle/cgroups.ts";
import type { ContainerPorts } from "../lifecycle/container-ports.ts";
import type { FileWaits } from "../lifecycle/file-waits.ts";
import type { Ingress } from "../lifecycle/ingress.ts";
import type { NameService } from "../lifecycle/name-service.ts";
import type { LogCollector } from "../logs/collector.ts";
import type { Forwarders } from "../logs/forwarders.ts";
import type { SecretFiles } from "../spec/secret-files.ts";
import type { EventLog } from "./events.ts";
import type { ContainerRecord } from "./record.ts";
import type { Records } from "./records.ts";

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
  readonly records: Records;
  readonly fileTurns: FileTurns;
  readonly sessions: AttachedSessions;
  readonly execs: RunningExecs;
  readonly names: NameService;
  /** Published ports of the containers. */
  readonly ports: ContainerPorts;
  readonly ingress: Ingress;
  /**
   * Returns what completes the files of a container that is about to start, if that is necessary. It is called when the
   * container's file systems are mounted, before the command. It ends when its signal is aborted.
   */
  readonly beforeStart:
    | ((record: ContainerRecord) => ((signal: AbortSignal) => Promise<void>) | undefined)
    | undefined;
  /** Starts whose process has its mounts, and waits for the container's files. */
  readonly waitingForFiles: FileWaits;
  /** `changed` (ID), `end:ID` (exit code), `warning` (text). */
  emit(event: string, value: unknown): boolean;
  once(event: string, listener: (value: number) => void): unknown;
  on(event: "changed", listener: (id: string) => void): unknown;
  off(event: "changed", listener: (id: string) => void): unknown;
}
