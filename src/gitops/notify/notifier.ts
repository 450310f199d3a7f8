/** Reports every new entry of a source's log to the targets of the source. */
import { messageOf } from "../../core/errors.ts";
import type { GitCredentials } from "../git/credentials.ts";
import type { Source } from "../model/source.ts";
import type { LogEntry } from "../model/status.ts";
import type { Sender } from "./sender.ts";

export class Notifier {
  #sender: Sender | undefined;
  #isClosed = false;

  constructor(
    readonly credentials: GitCredentials,
    readonly log: (text: string) => void,
  ) {}

  /** Never throws. */
  report(source: Source, entry: Omit<LogEntry, "number">): void {
    if (!this.credentials.hasTargets(source.name)) return;
    void this.#report(source, entry).catch((error: unknown) =>
      this.log(`gitops ${source.name}: notifications: ${messageOf(error)}`),
    );
  }

  async #report(source: Source, entry: Omit<LogEntry, "number">): Promise<void> {
    const { messageFor } = await import("./messages.ts");
    const { Sender } = await import("./sender.ts");
    if (this.#isClosed) return;
    this.#sender ??= new Sender(this.log);
    const ca = this.credentials.ca(source.name);
    for (const target of this.credentials.targets(source.name)) {
      const message = messageFor(target, source, entry);
      const title = `gitops ${source.name}: notification to ${new URL(target.url).host} (${target.type})`;
      if (message) this.#sender.send({ message, title, ca });
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#sender?.close();
  }
}
