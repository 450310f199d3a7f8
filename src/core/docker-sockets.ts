/** Where Docker's socket is, and where containers that speak with the engine bind it from. */
export const DOCKER_SOCKETS: readonly string[] = ["/var/run/docker.sock", "/run/docker.sock"];
