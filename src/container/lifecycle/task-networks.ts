/**
 * Network namespaces for tasks: connected to a network that exists while a build runs, and reused, as creating one takes as
 * long as a short step. A task leaves nothing in a namespace for the next one: its processes have ended, and none of them
 * could change the namespace.
 */
import { randomBytes } from "node:crypto";
import {
  type ContainerEndpoint,
  type Endpoint,
  type NetworkManager,
  ownBridge,
} from "../../network/index.ts";

/** A namespace with a connection to the outside. */
export interface TaskNetwork {
  id: string;
  endpoint: Endpoint;
  /** The file of the namespace. */
  namespace: string;
}

const NETWORK = ownBridge("bay_build", "build");

/** A build cannot resolve names of other containers. */
const NO_NAMES = { addresses: () => undefined, nameOf: () => undefined };

export class TaskNetworks {
  readonly #all = new Set<Pick<TaskNetwork, "id" | "endpoint">>();
  readonly #idle: TaskNetwork[] = [];

  constructor(readonly networks: NetworkManager) {}

  /** The endpoints of all tasks, whose addresses are in use. */
  endpoints(): ContainerEndpoint[] {
    return [...this.#all].map(({ id, endpoint }) => ({
      container: "a build",
      id,
      isRunning: false,
      endpoint,
    }));
  }

  async take(): Promise<TaskNetwork> {
    await this.networks.create(NETWORK);
    const idle = this.#idle.pop();
    if (idle) return idle;
    const id = randomBytes(32).toString("hex");
    // no await before the registration, so that no other task gets the same address
    const endpoint = this.networks.endpoints.allocate(NETWORK.name, { aliases: [] }, 0);
    const slot = { id, endpoint };
    this.#all.add(slot);
    try {
      const namespace = this.networks.endpoints.setUp(id, [endpoint]);
      this.networks.endpoints.serveDns(id, NO_NAMES, () => this.networks.nameServers(), { isFresh: true });
      return { id, endpoint, namespace };
    } catch (error) {
      this.#all.delete(slot);
      this.networks.endpoints.tearDown(id);
      throw error;
    }
  }

  giveBack(network: TaskNetwork): void {
    this.#idle.push(network);
  }

  /** Removes everything if no task uses it. */
  async close(): Promise<void> {
    if (this.#idle.length < this.#all.size) return;
    for (const { id } of this.#all) this.networks.endpoints.tearDown(id);
    this.#all.clear();
    this.#idle.length = 0;
    await this.networks.remove(NETWORK.name);
  }
}
