/** What the parts report becomes an event of the manager, an entry of the event log, or a warning. */
import type { ContainerManager } from "../manager.ts";
import type { ContainerRecord } from "../model/record.ts";
import type { Lifecycle } from "./lifecycle.ts";

const ENOSPC = 28;

type Manager = Pick<ContainerManager, "emit" | "events" | "find" | "forwarders" | "logs">;

/** Listens until the manager is closed. */
export function forwardEvents(manager: Manager, { supervisor, removal, startStop }: Lifecycle): void {
  const warn = (text: string): void => void manager.emit("warning", text);
  supervisor.on("action", (record, action, extra) => manager.events.ofContainer(record, action, extra));
  supervisor.on("changed", ({ id }) => manager.emit("changed", id));
  supervisor.on("warning", warn);
  supervisor.on("ended", (record: ContainerRecord) => {
    manager.forwarders.end(record.id);
    manager.emit(`end:${record.id}`, record.state.exitCode);
    removal.removeOneOff(record);
  });
  supervisor.on("restarted", (record) => void startStop.startHooks(record).catch(() => {}));
  manager.logs.on("grew", (id: string) => manager.forwarders.grew(id));
  manager.logs.on("failed", (id: string, errno: number) => {
    const name = manager.find(id)?.config.name ?? id;
    const why = errno === ENOSPC ? "the disk is full" : `error ${errno}`;
    warn(`${name}: its output is lost, because the log cannot be written: ${why}`);
  });
}
