/** The paths of Docker's socket, and the paths from which containers that use the Engine API bind it. */
export const DOCKER_SOCKETS: readonly string[] = ["/var/run/docker.sock", "/run/docker.sock"];
