/** The tasks that run, such as the steps of builds: containers without a record. */
import type { ContainerEndpoint } from "../../network/index.ts";
import type { Host } from "../model/host.ts";
import { Task, type TaskConfig } from "./task.ts";
import { TaskNetworks } from "./task-networks.ts";

export class Tasks {
  readonly #running = new Map<string, Task>();
  readonly #networks: TaskNetworks;

  constructor(readonly host: Host) {
    this.#networks = new TaskNetworks(host.networks);
  }

  /** Runs a command in its own file system, and returns its exit code. Throws START_FAILED, UNKNOWN_USER, ABORTED. */
  async run(config: TaskConfig): Promise<number> {
    const network = config.network === "bridge" ? await this.#networks.take() : undefined;
    const task = new Task(this.host, config, network);
    const token = task.id.slice(0, 16);
    this.#running.set(token, task);
    try {
      return await task.run();
    } finally {
      this.#running.delete(token);
      if (network) this.#networks.giveBack(network);
    }
  }

  /** The endpoints of all tasks, whose addresses are in use. */
  endpoints(): ContainerEndpoint[] {
    return this.#networks.endpoints();
  }

  /** Removes the network of tasks if none runs. */
  tidy(): Promise<void> {
    return this.#networks.close();
  }

  /** Called when a shim announces an end. Returns false if the token belongs to no task. */
  ended(token: string): boolean {
    const task = this.#running.get(token);
    if (task) void task.ended();
    return task !== undefined;
  }
}
