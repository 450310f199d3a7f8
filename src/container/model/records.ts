/** The records of all containers: kept in memory, written at every change. Actions on one container run one at a time. */
import { BayError } from "../../core/errors.ts";
import type { ContainerEndpoint } from "../../network/index.ts";
import type { Store } from "../../store/index.ts";
import type { ContainerRecord } from "./record.ts";

const KEY = "container/";

export class Records {
  readonly #records = new Map<string, ContainerRecord>();
  readonly #queues = new Map<string, Promise<unknown>>();

  constructor(readonly store: Store) {
    for (const record of store.list<ContainerRecord>(KEY))
      this.#records.set(record.id, structuredClone(record));
  }

  list(): ContainerRecord[] {
    return [...this.#records.values()];
  }

  has(id: string): boolean {
    return this.#records.has(id);
  }

  /** By name, ID or unambiguous ID prefix. Throws CONTAINER_NOT_FOUND. */
  get(nameOrId: string): ContainerRecord {
    const record = this.find(nameOrId);
    if (!record) throw new BayError("CONTAINER_NOT_FOUND", `the container ${nameOrId} does not exist`);
    return record;
  }

  find(nameOrId: string): ContainerRecord | undefined {
    return this.#records.get(nameOrId) ?? findContainer(this.list(), nameOrId);
  }

  findRunning(nameOrId: string): ContainerRecord | undefined {
    const record = this.find(nameOrId);
    return record && isRunning(record) ? record : undefined;
  }

  /** The endpoints of all containers. */
  endpoints(): ContainerEndpoint[] {
    return this.list().flatMap((record) =>
      record.endpoints.map((endpoint) => ({
        container: record.config.name,
        id: record.id,
        isRunning: isRunning(record),
        endpoint,
      })),
    );
  }

  /** Digests of the contents of secrets and configs that containers use. */
  contents(): string[] {
    return this.list().flatMap(({ config }) => (config.files ?? []).map(({ digest }) => digest));
  }

  /** The container whose ID begins with the token of a shim or exec. */
  byToken(token: string): ContainerRecord | undefined {
    return this.list().find(({ id }) => id.startsWith(token));
  }

  // in each change the store comes first: if it has no room, both still agree
  add(record: ContainerRecord): void {
    this.store.put(KEY + record.id, record);
    this.#records.set(record.id, record);
  }

  /** Writes a changed record. Does nothing if it was forgotten meanwhile. */
  save(record: ContainerRecord): void {
    if (this.#records.has(record.id)) this.store.put(KEY + record.id, record);
  }

  /** Writes several records in one transaction. */
  saveAll(records: readonly ContainerRecord[]): void {
    this.store.write(records.map((record) => ({ key: KEY + record.id, value: record })));
    for (const record of records) this.#records.set(record.id, record);
  }

  /** Replaces a record by another in one transaction. */
  swap(old: ContainerRecord, fresh: ContainerRecord): void {
    this.store.write([
      { key: KEY + old.id, deleted: true },
      { key: KEY + fresh.id, value: fresh },
    ]);
    this.#records.delete(old.id);
    this.#records.set(fresh.id, fresh);
  }

  forget(id: string): void {
    this.store.delete(KEY + id);
    this.#records.delete(id);
  }

  /** Runs an action after the earlier ones on the same container. Rejects with CONTAINER_NOT_FOUND. */
  async queue<T>(nameOrId: string, action: (record: ContainerRecord) => Promise<T> | T): Promise<T> {
    const { id } = this.get(nameOrId);
    const previous = this.#queues.get(id) ?? Promise.resolve();
    const next = previous.catch(() => {}).then(() => action(this.get(id)));
    this.#queues.set(id, next);
    const done = () => {
      if (this.#queues.get(id) === next) this.#queues.delete(id);
    };
    next.then(done, done);
    return next;
  }
}

/** The container with a name, an ID, or an ID that begins like this and is the only one. */
export const findContainer = (
  records: readonly ContainerRecord[],
  nameOrId: string,
): ContainerRecord | undefined => findByNameOrId(records, ({ config }) => config.name, nameOrId);

/** The same rule for containers in another form, such as those of other hosts. */
export function findByNameOrId<T extends { id: string }>(
  all: readonly T[],
  nameOf: (container: T) => string,
  nameOrId: string,
): T | undefined {
  const exact = all.find(({ id }) => id === nameOrId);
  if (exact) return exact;
  const named = all.find((container) => nameOf(container) === nameOrId.replace(/^\//, ""));
  if (named) return named;
  const prefixed = nameOrId.length >= 4 ? all.filter(({ id }) => id.startsWith(nameOrId)) : [];
  return prefixed.length === 1 ? prefixed[0] : undefined;
}

/** Throws NOT_RUNNING. */
export function requireRunning(record: ContainerRecord): ContainerRecord {
  if (isRunning(record)) return record;
  throw new BayError("NOT_RUNNING", `the container ${record.config.name} is not running`);
}

export function isRunning(record: ContainerRecord): boolean {
  return record.state.status === "running" || record.state.status === "paused";
}
