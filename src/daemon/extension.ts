/** How a higher room extends bayd: routes under /bay/v1, and work that starts and ends with it. */
import type { ContainerManager } from "../container/index.ts";
import type { Route } from "./api/http.ts";
import type { StackService } from "./stacks/stack-service.ts";

export { type Route, route, sendJson } from "./api/http.ts";
export type { StackOwners } from "./stacks/stack-owner.ts";
export type { StackService } from "./stacks/stack-service.ts";
export { waitForStack } from "./stacks/wait-for-stack.ts";

export interface ExtensionServices {
  manager: ContainerManager;
  stacks: StackService;
  log: (text: string) => void;
}

export interface DaemonExtension {
  routes: readonly Route[];
  /** Called when bayd serves its socket. Must not throw. */
  start: () => void;
  /** Called before bayd ends. */
  close: () => Promise<void>;
}

export type ExtendDaemon = (services: ExtensionServices) => DaemonExtension;
