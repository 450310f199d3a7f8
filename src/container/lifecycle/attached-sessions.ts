/** What a running container has in bayd besides its record: its health probes, its input, its terminal. */
import type { Launched } from "../../linux/index.ts";
import { ContainerInput } from "../exec/input.ts";
import { Terminal } from "../exec/terminal.ts";
import { HealthMonitor } from "../health/health.ts";
import type { Host } from "../model/host.ts";
import type { ContainerRecord, HealthStatus } from "../model/record.ts";
import { logDirectory } from "./start.ts";

export interface SessionEvents {
  health(record: ContainerRecord, status: HealthStatus): void;
  output(record: ContainerRecord, bytes: Buffer): void;
}

export class AttachedSessions {
  readonly #health = new Map<string, HealthMonitor>();
  readonly #inputs = new Map<string, ContainerInput>();
  readonly #terminals = new Map<string, Terminal>();

  constructor(
    readonly host: Host,
    readonly news: SessionEvents,
  ) {}

  health(id: string): HealthMonitor | undefined {
    return this.#health.get(id);
  }

  /** Starts or restarts probing. Returns false if there is no health check. */
  watchHealth(record: ContainerRecord): boolean {
    this.stopHealth(record.id);
    const test = record.config.health?.test;
    if (!test || test[0] === "NONE") return false;
    const monitor = new HealthMonitor(this.host, record, (status) => this.news.health(record, status));
    this.#health.set(record.id, monitor);
    return true;
  }

  stopHealth(id: string): void {
    this.#health.get(id)?.stop();
    this.#health.delete(id);
  }

  /** Throws if the terminal cannot be received from the shim. */
  openTerminal(record: ContainerRecord, launched: Launched): void {
    if (launched.ttyFd === undefined) return;
    const { log } = record.config;
    void this.host.forwarders.begin(record);
    const { logMaxSize, logMaxFiles } = this.host.settings;
    const bounds = { maxSize: log.maxSize ?? logMaxSize, maxFiles: log.maxFiles ?? logMaxFiles };
    const lost = (error: unknown) =>
      void this.host.logs.emit("failed", record.id, Math.abs((error as { errno?: number }).errno ?? 0));
    const directory = log.driver === "none" ? undefined : logDirectory(this.host, record.id);
    const show = (bytes: Buffer) => {
      this.news.output(record, bytes);
      this.host.forwarders.grew(record.id);
    };
    this.#terminals.set(record.id, new Terminal(launched, directory, bounds, show, lost));
  }

  openInput(id: string, fifo: string): void {
    this.#input(id).open(fifo);
  }

  inputIsRead(id: string): void {
    this.#inputs.get(id)?.isRead();
  }

  /** Writes to a container's input. Returns false if it has none. */
  writeInput(record: ContainerRecord, bytes: Buffer): boolean {
    const terminal = this.#terminals.get(record.id);
    if (!terminal && !record.config.stdinOpen) return false;
    (terminal ?? this.#input(record.id)).write(bytes);
    return true;
  }

  /** Bytes of input that the container has not read yet. */
  inputWaiting(id: string): number {
    return (this.#terminals.get(id) ?? this.#inputs.get(id))?.waiting ?? 0;
  }

  /** Closes a container's input if it was opened for a single client. */
  endInput(record: ContainerRecord): void {
    if (record.config.stdinOnce) this.#input(record.id).end();
  }

  resize(id: string, rows: number, columns: number): void {
    this.#terminals.get(id)?.resize(rows, columns);
  }

  /** Resolves when the last output of a terminal was read. */
  async drain(id: string): Promise<void> {
    await this.#terminals.get(id)?.drain();
  }

  /** Called when the container has ended. */
  close(id: string): void {
    this.stopHealth(id);
    this.#terminals.get(id)?.close();
    this.#terminals.delete(id);
    this.#inputs.get(id)?.close();
    this.#inputs.delete(id);
  }

  /** Called when bayd ends; the containers keep running. */
  stopAll(): void {
    for (const id of [...this.#health.keys()]) this.stopHealth(id);
  }

  #input(id: string): ContainerInput {
    let input = this.#inputs.get(id);
    if (!input) {
      input = new ContainerInput();
      this.#inputs.set(id, input);
    }
    return input;
  }
}
