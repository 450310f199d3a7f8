/** Containers: their configs and records, and the manager that runs them. */

export { Exec } from "./exec/exec.ts";
export {
  changesOf,
  exportContainer,
  type PathStat,
  readArchive,
  statPath,
  writeArchive,
} from "./files/archive.ts";
export { commitContainer } from "./files/commit.ts";
export { syncedPaths, syncFiles } from "./files/sync.ts";
export { backupVolume, endRestores, restoreVolume } from "./files/volume-archive.ts";
export { Groups } from "./lifecycle/cgroups.ts";
export { containerDirectory, logDirectory, mountPoint, runOf } from "./lifecycle/start.ts";
export type { TaskConfig } from "./lifecycle/task.ts";
export { type LogLine, type LogQuery, LogReader, type LogUnit, selectLines } from "./logs/reader.ts";
export { ContainerManager } from "./manager.ts";
export * from "./model/config.ts";
export { type BayEvent, EventLog } from "./model/events.ts";
export { type LimitDrift, limitDrift } from "./model/limits.ts";
export { configAsGiven } from "./model/new-container.ts";
export { type ContainerRecord, endedBy, type HealthStatus, NEVER, type Status } from "./model/record.ts";
export { findByNameOrId, findContainer, isRunning } from "./model/records.ts";
export { isDockerSocketGone } from "./spec/docker-socket.ts";
export { lxcfsDevice } from "./spec/lxcfs.ts";
export { toResources } from "./spec/resources.ts";
export { resolveOwner } from "./spec/user.ts";
