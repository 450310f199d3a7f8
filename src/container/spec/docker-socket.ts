/** Docker's socket, which containers bind to speak with the engine: where no Docker is, bay's own answers there. */
import { lstatSync } from "node:fs";
import { DOCKER_SOCKETS } from "../../core/docker-sockets.ts";

/** True for a place of Docker's socket where there is none. */
export function isDockerSocketGone(path: string): boolean {
  return DOCKER_SOCKETS.includes(path) && !lstatSync(path, { throwIfNoEntry: false })?.isSocket();
}
