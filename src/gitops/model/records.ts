/** The sources, their status and their logs in the store. */
import { BayError } from "../../core/errors.ts";
import type { Change, Store } from "../../store/index.ts";
import type { Source } from "./source.ts";
import { type LogEntry, NEW_STATUS, type Outcome, type Status } from "./status.ts";

const KEPT_ENTRIES = 200;
const sourceKey = (name: string) => `gitops/source/${name}`;
const statusKey = (name: string) => `gitops/status/${name}`;
const logPrefix = (name: string) => `gitops/log/${name}/`;
const logKey = (name: string, number: number) => logPrefix(name) + String(number).padStart(8, "0");

export class GitopsRecords {
  /** Called for each new entry of a log. Must not throw. */
  onEntry: (name: string, entry: Omit<LogEntry, "number">) => void = () => {};

  constructor(readonly store: Store) {}

  sources(): Source[] {
    return this.store.list<Source>("gitops/source/");
  }

  find(name: string): Source | undefined {
    return this.store.get<Source>(sourceKey(name));
  }

  /** Throws NO_GITOPS_SOURCE. */
  get(name: string): Source {
    const source = this.find(name);
    if (source) return source;
    const names = this.sources().map((each) => each.name);
    throw new BayError("NO_GITOPS_SOURCE", `the gitops source ${name} does not exist`, {
      hint: names.length > 0 ? `the sources are: ${names.join(", ")}` : "bay gitops add creates one",
    });
  }

  /** If the rules of a known source have changed, its last commit is applied again by the new ones. */
  put(source: Source): void {
    const known = this.find(source.name);
    const changes: Change[] = [{ key: sourceKey(source.name), value: source }];
    if (known && JSON.stringify(withoutSuspension(known)) !== JSON.stringify(withoutSuspension(source)))
      changes.push({
        key: statusKey(source.name),
        value: { ...this.status(source.name), rulesChanged: true } satisfies Status,
      });
    this.store.write(changes);
  }

  status(name: string): Status {
    return this.store.get<Status>(statusKey(name)) ?? NEW_STATUS;
  }

  /**
   * Writes the status, and the entry of the log that belongs to it, at once. If the last entry of the commit has the same
   * result, the commit was only tried again, and the log stays as it is.
   */
  note(name: string, status: Status, entry?: Omit<LogEntry, "number">): void {
    const changes: Change[] = [{ key: statusKey(name), value: status }];
    const all = entry ? this.log(name) : [];
    const isNew = entry !== undefined && !isRepeated(all, entry);
    if (isNew) {
      const number = (all.at(-1)?.number ?? 0) + 1;
      changes.push({ key: logKey(name, number), value: { number, ...entry } });
      for (const old of all.slice(0, Math.max(0, all.length + 1 - KEPT_ENTRIES)))
        changes.push({ key: logKey(name, old.number), deleted: true });
    }
    this.store.write(changes);
    if (isNew) this.onEntry(name, entry);
  }

  /** The oldest first. */
  log(name: string): LogEntry[] {
    return this.store.list<LogEntry>(logPrefix(name));
  }

  remove(name: string): void {
    this.store.write([
      { key: sourceKey(name), deleted: true },
      { key: statusKey(name), deleted: true },
      ...this.log(name).map(({ number }) => ({ key: logKey(name, number), deleted: true as const })),
    ]);
  }
}

const withoutSuspension = ({ suspended: _, isHeld: __, ...rules }: Source) => rules;

/** Results of a commit. The others can occur several times for one commit. */
const OF_COMMIT: readonly Outcome[] = ["applied", "refused", "rolled back", "failed"];

/** Only the last result counts: a branch that returns to an earlier commit is a new event. */
function isRepeated(
  log: readonly LogEntry[],
  { commit, outcome, reason }: Omit<LogEntry, "number">,
): boolean {
  if (!OF_COMMIT.includes(outcome)) return false;
  const last = log.findLast((each) => OF_COMMIT.includes(each.outcome));
  return last?.commit?.id === commit?.id && last?.outcome === outcome && last.reason === reason;
}
