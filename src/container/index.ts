/** The door of containers: their configs and records, and the manager that makes them live. */

export {
  changesOf,
  exportContainer,
  type PathStat,
  readArchive,
  statPath,
  writeArchive,
} from "./archive.ts";
export { commitContainer } from "./commit.ts";
export * from "./config.ts";
export { isDockerSocketGone } from "./docker-socket.ts";
export { configAsGiven } from "./draft.ts";
export { type BayEvent, EventLog } from "./events.ts";
export { Exec, type ExecConfig } from "./exec.ts";
export { Groups } from "./groups.ts";
export { type LimitDrift, limitDrift } from "./limits.ts";
export { type LogLine, type LogQuery, LogReader, type LogUnit, selectLines } from "./logs/reader.ts";
export { ContainerManager } from "./manager.ts";
export { toResources } from "./oci-spec.ts";
export {
  type ContainerRecord,
  type ContainerState,
  endedBy,
  type HealthStatus,
  NEVER,
  type Status,
} from "./record.ts";
export { isRunning } from "./records.ts";
export { containerDirectory, logDirectory, mountPoint, runOf } from "./start.ts";
export type { TaskConfig } from "./task.ts";
export { resolveOwner } from "./user.ts";
export { backupVolume, endRestores, restoreVolume } from "./volume-archive.ts";
