/** Docker's socket, which containers bind to speak with the engine: where no Docker is, bay's own answers there. */
import { lstatSync } from "node:fs";

const PLACES = ["/var/run/docker.sock", "/run/docker.sock"];

/** True for a place of Docker's socket where there is none. */
export function isDockerSocketGone(path: string): boolean {
  return PLACES.includes(path) && !lstatSync(path, { throwIfNoEntry: false })?.isSocket();
}
