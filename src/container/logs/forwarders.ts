/** Which containers' lines are being sent to remote receivers: from their start, or bayd's, until moments after their end. */
import { hostname } from "node:os";
import { messageOf } from "../../core/errors.ts";
import type { RemoteDriver } from "../../core/log-options.ts";
import type { ContainerRecord } from "../model/record.ts";
import { Forwarder } from "./forwarder.ts";

type Sent = Pick<ContainerRecord, "id" | "config">;

export class Forwarders {
  readonly #all = new Map<string, Promise<Forwarder | undefined>>();

  constructor(
    readonly directoryOf: (id: string) => string,
    readonly warn: (text: string) => void,
  ) {}

  /** Called before new output arrives: what the log contains was sent, or is queued. */
  async begin({ id, config }: Sent): Promise<void> {
    const { driver, options = {} } = config.log;
    if (driver !== "syslog" && driver !== "journald") return;
    if ((await this.#all.get(id))?.resume()) return;
    const forwarder = this.#make(id, config, driver, options).catch(() => undefined);
    this.#all.set(id, forwarder);
    await forwarder;
  }

  /** Sends the lines of a container that has ended which an earlier bayd did not send. Never rejects. */
  async sendRest(record: Sent): Promise<void> {
    const { driver, options = {} } = record.config.log;
    if (driver !== "syslog" && driver !== "journald") return;
    try {
      const { receiverOf } = await import("./receivers.ts");
      const { name } = receiverOf(driver, options);
      if (!Forwarder.hasRest(this.directoryOf(record.id), name)) return;
      await this.begin(record);
      this.end(record.id);
    } catch (error) {
      this.warn(`${record.config.name}: its log cannot be read: ${messageOf(error)}`);
    }
  }

  async #make(
    id: string,
    config: Sent["config"],
    driver: RemoteDriver,
    options: Readonly<Record<string, string>>,
  ): Promise<Forwarder> {
    // lazy: most containers need neither
    const [{ encoderOf }, { receiverOf }] = await Promise.all([
      import("./messages.ts"),
      import("./receivers.ts"),
    ]);
    const { name, open } = receiverOf(driver, options);
    const encode = encoderOf(driver, { id, config, options, hostname: hostname(), pid: process.pid });
    return new Forwarder({
      container: config.name,
      receiver: name,
      directory: this.directoryOf(id),
      isLate: true,
      encode,
      open,
      warn: this.warn,
    });
  }

  grew(id: string): void {
    void this.#all.get(id)?.then((forwarder) => forwarder?.grew());
  }

  /** Called when the container has ended and all of its output is in the log. */
  end(id: string): void {
    void this.#all.get(id)?.then((forwarder) => forwarder?.end());
  }

  /** Called when the container is removed. */
  forget(id: string): void {
    void this.#all.get(id)?.then((forwarder) => forwarder?.end());
    this.#all.delete(id);
  }

  async stop(): Promise<void> {
    for (const forwarder of this.#all.values()) (await forwarder)?.stop();
    this.#all.clear();
  }
}
