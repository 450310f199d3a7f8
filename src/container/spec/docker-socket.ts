/** Docker's socket, which containers bind to use the Engine API: on a host without Docker they get bay's socket. */
import { lstatSync } from "node:fs";
import { DOCKER_SOCKETS } from "../../core/docker-sockets.ts";

/** True if the path is a standard path of Docker's socket, and no socket exists there. */
export function isDockerSocketGone(path: string): boolean {
  return DOCKER_SOCKETS.includes(path) && !lstatSync(path, { throwIfNoEntry: false })?.isSocket();
}
