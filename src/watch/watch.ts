/** A watch of a stack: its rules, its containers, and the session with bayd. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BayError } from "../core/errors.ts";
import type { Client } from "../daemon/client.ts";
import type { Service, Stack } from "../stack/index.ts";
import type { WatchedContainer } from "./actions.ts";
import { BaydSession, isLoss, type StartingContainer } from "./bayd-session.ts";
import { ContainerSync } from "./container-sync.ts";
import type { Report } from "./events.ts";
import { ignoreFilesOf, pathsBelow, rulesOf } from "./rule.ts";
import { RuleWatch } from "./rule-watch.ts";
import { ServiceActions } from "./service-actions.ts";

export interface WatchOptions {
  client: Client;
  stack: Stack;
  /** The chosen services; empty for all. */
  services: readonly string[];
  /** Remove the images of earlier rebuilds. */
  prune: boolean;
  report: Report;
}

const RETRY = 100;
const SHOWN_SKIPPED = 10;
/** Milliseconds between looks at the containers: soon after a connection, and at most. */
const LOOK_SOON = 1_000;
const LOOK = 10_000;

export class Watch {
  #stack: Stack;
  /** By service. */
  readonly #watches = new Map<string, RuleWatch[]>();
  /** The text of the rules by service, from which its watches were made. */
  readonly #texts = new Map<string, string>();
  readonly #actions = new Map<string, ServiceActions>();
  /** By ID. */
  readonly #containers = new Map<string, ContainerSync>();
  /** Paths that changed since the watch began, also those that were removed. */
  readonly #changed = new Map<RuleWatch, Set<string>>();
  readonly #session: BaydSession;
  /** Containers that exist, or are made by the first `up`, have the files of their image, unless a rule has initial_sync. */
  #isBeginning = true;
  #isClosed = false;
  #timer: NodeJS.Timeout | undefined;

  /** Throws NO_WATCH_RULES, BAD_WATCH_RULE, BAD_IGNORE_FILE, UNKNOWN_SERVICE. */
  constructor(readonly options: WatchOptions) {
    this.#stack = options.stack;
    const watched = this.#chosen(options.stack);
    if (watched.every(({ watch = [] }) => watch.length === 0))
      throw new BayError("NO_WATCH_RULES", "none of the services has develop.watch", {
        hint: "add develop.watch to a service: docs/watch.md has examples",
      });
    for (const service of watched) {
      this.#watches.set(service.name, this.#watchesOf(service));
      this.#texts.set(service.name, rulesText(service));
    }
    this.#session = new BaydSession(options.client, options.stack.name, this.#names(), {
      connected: (isFirst) => this.#connected(isFirst),
      asked: (container) => this.#asked(container),
      disconnected: () => options.report({ type: "disconnected" }),
    });
  }

  /** Reads the files and opens the session. After that, changes are reported and `up` gets the files of new containers. */
  async start(): Promise<void> {
    await Promise.all([...this.#watches.values()].flat().map((watch) => this.#begin(watch)));
    const running = this.#session.run();
    running.catch(() => {}); // `ended` reports it
    this.#ended = running;
    await Promise.race([this.#session.ready, running]);
  }

  #ended: Promise<void> = Promise.resolve();

  /** Resolves when the watch is closed. Throws DAEMON_LOST. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  /** The stack is up: containers that are new from now on get all files. */
  begun(): void {
    this.#isBeginning = false;
    this.#planLook(LOOK_SOON);
    const all = [...this.#watches.values()].flat();
    const services = [...this.#watches].flatMap(([name, watches]) => (watches.length > 0 ? [name] : []));
    const files = all.reduce((sum, { tree }) => sum + tree.files, 0);
    this.options.report({ type: "watching", stack: this.#stack.name, services, files });
    for (const watch of all) {
      const { service, bound, root } = watch.rule;
      this.#tellSkipped(watch, [...watch.tree.skipped]);
      if (bound.length === 0) continue;
      const paths = bound.map((part) => join(root, part));
      const reason = "a bind mount of the service has it already";
      this.options.report({ type: "skipped", service, paths, reason });
    }
  }

  #tellSkipped({ rule }: RuleWatch, paths: readonly string[]): void {
    if (paths.length === 0 || this.#isBeginning) return;
    this.options.report({
      type: "skipped",
      service: rule.service,
      paths: paths.slice(0, SHOWN_SKIPPED),
      reason: "only files, directories and symbolic links with UTF-8 names are synchronised",
    });
  }

  get stack(): Stack {
    return this.#stack;
  }

  /** The services that are watched. */
  get services(): string[] {
    return [...this.#watches.keys()];
  }

  /** Restarts the containers of all watched services, or rebuilds their images. */
  async restartAll(): Promise<void> {
    await Promise.all(this.services.map((name) => this.#actionsOf(name).restartNow()));
  }

  async rebuildAll(): Promise<void> {
    await Promise.all(this.services.map((name) => this.#actionsOf(name).rebuildNow()));
  }

  /** Checks the rules of a changed stack before it is applied. Throws BAD_WATCH_RULE, BAD_IGNORE_FILE. */
  check(stack: Stack): void {
    for (const service of this.#chosen(stack)) rulesOf(service);
  }

  /** Uses a changed stack from now on: rules that are the same keep their watches. Throws like the constructor. */
  async update(stack: Stack): Promise<void> {
    const chosen = this.#chosen(stack);
    const changed = chosen.filter((service) => this.#texts.get(service.name) !== rulesText(service));
    const made = changed.map(
      (service) => [service.name, rulesText(service), this.#watchesOf(service)] as const,
    );
    this.#stack = stack;
    const names = new Set(chosen.map(({ name }) => name));
    const gone = [...this.#watches.keys()].filter((name) => !names.has(name));
    for (const name of gone) {
      await this.#drop(name);
      this.#watches.delete(name);
      this.#texts.delete(name);
    }
    for (const [name, text, watches] of made) {
      await this.#drop(name);
      this.#watches.set(name, watches);
      this.#texts.set(name, text);
      await Promise.all(watches.map((watch) => this.#begin(watch)));
      for (const sync of this.#containersOf(name))
        for (const watch of watches) if (watch.rule.initialSync) sync.addAll(watch);
      await this.#sync(name);
    }
    this.#session.setServices(this.#names());
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#session.close();
    for (const actions of this.#actions.values()) actions.close();
    for (const sync of this.#containers.values()) sync.close();
    await Promise.all([...this.#watches.values()].flat().map((watch) => watch.close()));
  }

  #names(): string[] {
    return [...this.#watches.keys()];
  }

  #chosen(stack: Stack): Service[] {
    const { services } = this.options;
    return Object.values(stack.services).filter(
      ({ name }) => services.length === 0 || services.includes(name),
    );
  }

  #watchesOf(service: Service): RuleWatch[] {
    const events = {
      changed: (watch: RuleWatch, paths: ReadonlySet<string>) => this.#onChange(watch, paths),
      suspected: (watch: RuleWatch, paths: ReadonlySet<string>) => this.#onSuspicion(watch, paths),
      unreadable: ({ rule }: RuleWatch, message: string) =>
        this.options.report({ type: "read-failed", service: rule.service, path: rule.root, message }),
      skipped: (watch: RuleWatch, paths: readonly string[]) => this.#tellSkipped(watch, paths),
      polling: (path: string, reason: string, hint?: string) =>
        this.options.report({ type: "polling", path, reason, ...(hint ? { hint } : {}) }),
    };
    return rulesOf(service).map((rule) => new RuleWatch(rule, events));
  }

  async #begin(watch: RuleWatch): Promise<void> {
    this.#changed.set(watch, new Set());
    await watch.start();
  }

  async #drop(service: string): Promise<void> {
    for (const watch of this.#watches.get(service) ?? []) {
      for (const sync of this.#containers.values()) sync.drop(watch);
      this.#changed.delete(watch);
      await watch.close();
    }
  }

  #onChange(watch: RuleWatch, paths: ReadonlySet<string>): void {
    const { rule } = watch;
    const known = this.#changed.get(watch);
    for (const path of paths) known?.add(path);
    if (rule.target !== undefined)
      for (const sync of this.#containersOf(rule.service)) sync.add(watch, paths);
    this.#actionsOf(rule.service).request(rule);
  }

  /** Sends the files again, of which equal ones are not written. */
  #onSuspicion(watch: RuleWatch, paths: ReadonlySet<string>): void {
    const { rule } = watch;
    if (rule.target === undefined) return;
    for (const sync of this.#containersOf(rule.service)) {
      sync.add(watch, paths);
      void sync.flush();
    }
  }

  #actionsOf(service: string): ServiceActions {
    const known = this.#actions.get(service);
    if (known) return known;
    const { client, prune, report } = this.options;
    const made = new ServiceActions(service, {
      client,
      prune,
      report,
      stack: () => this.#stack,
      sync: (name) => this.#sync(name),
      containers: (name) => this.#list().then((all) => all.filter((each) => each.service === name)),
    });
    this.#actions.set(service, made);
    return made;
  }

  // ---- containers

  #containersOf(service: string): ContainerSync[] {
    return [...this.#containers.values()].filter(({ container }) => container.service === service);
  }

  async #sync(service: string): Promise<void> {
    await Promise.all(this.#containersOf(service).map((sync) => sync.settle()));
  }

  /** A container that the watch has not seen before. */
  #adopt(container: { id: string; name: string; service: string }, isNew: boolean): ContainerSync {
    const { client, report } = this.options;
    const sync: ContainerSync = new ContainerSync(client, container, report, () => {
      if (this.#containers.get(container.id) === sync) this.#containers.delete(container.id);
    });
    for (const watch of this.#watches.get(container.service) ?? []) {
      if (watch.rule.target === undefined) continue;
      sync.add(watch, this.#changed.get(watch) ?? []);
      if (isNew || watch.rule.initialSync) sync.addAll(watch);
    }
    this.#containers.set(container.id, sync);
    return sync;
  }

  async #asked({ emptied, ...container }: StartingContainer): Promise<void> {
    const isNew = !this.#isBeginning;
    const sync = this.#containers.get(container.id) ?? this.#adopt(container, isNew);
    for (const watch of this.#watches.get(container.service) ?? []) {
      if (watch.rule.target === undefined) continue;
      // files that changed under this watch, and all files where the container gets all of them
      const isWhole = isNew || watch.rule.initialSync;
      const paths = isWhole ? watch.tree.entries.keys() : (this.#changed.get(watch) ?? []);
      sync.add(watch, pathsBelow(watch.rule, paths, emptied));
    }
    sync.addRefused();
    await sync.settle(true);
  }

  async #connected(isFirst: boolean): Promise<void> {
    if (!isFirst) this.options.report({ type: "connected" });
    try {
      await this.#look(isFirst);
    } finally {
      if (!this.#isBeginning) this.#planLook(LOOK_SOON);
    }
  }

  /**
   * Compares the containers that exist with those that are known: bayd may have started and removed some while there was no
   * session. Everything that is still to be sent is sent.
   */
  async #look(isFirst: boolean): Promise<void> {
    // one that starts during the request may not be in its answer
    const known = [...this.#containers];
    const all = await this.#list();
    if (this.#isClosed) return;
    for (const container of all)
      if (container.isRunning && this.#watches.has(container.service) && !this.#containers.has(container.id))
        this.#adopt(container, !isFirst);
    for (const [id, sync] of known) {
      if (all.some((container) => container.id === id)) continue;
      sync.close();
      if (this.#containers.get(id) === sync) this.#containers.delete(id);
    }
    await Promise.all([...this.#containers.values()].map((sync) => sync.flush(isFirst)));
  }

  /** Looks at the containers after a time, and then again and again. */
  #planLook(wait: number): void {
    clearTimeout(this.#timer);
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#look(false)
        .catch(() => {}) // an error of one request; the next look is soon
        .finally(() => this.#planLook(Math.min(LOOK, wait * 2)));
    }, wait);
  }

  /** The stack's containers, without those of one-off commands. Waits while bayd restarts. */
  async #list(): Promise<WatchedContainer[]> {
    const label = [`com.docker.compose.project=${this.#stack.name}`];
    const filters = encodeURIComponent(JSON.stringify({ label }));
    for (;;) {
      try {
        const rows = await this.options.client.json<Row[]>(
          "GET",
          `/containers/json?all=1&filters=${filters}`,
        );
        return rows.flatMap(({ Id, Names, State, Labels }) =>
          Labels["com.docker.compose.oneoff"] === "True"
            ? []
            : [
                {
                  id: Id,
                  name: (Names[0] ?? Id).replace(/^\//, ""),
                  service: Labels["com.docker.compose.service"] ?? "",
                  isRunning: State === "running" || State === "paused",
                },
              ],
        );
      } catch (error) {
        if (!isLoss(error)) throw error;
        if (this.#isClosed) return [];
      }
      await sleep(RETRY);
    }
  }
}

interface Row {
  Id: string;
  Names: string[];
  State: string;
  Labels: Record<string, string>;
}

/** The rules and what they depend on. */
const rulesText = (service: Service) =>
  JSON.stringify([
    service.watch ?? [],
    service.mounts,
    service.build?.context,
    service.build?.dockerfile,
    service.watch?.length ? ignoreFilesOf(service).map(textOf) : [],
  ]);

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
