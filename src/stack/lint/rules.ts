/** Rules for valid stack files that follow bad practice. Each has a name, by which a file can silence it. */
import { DOCKER_SOCKETS } from "../../core/docker-sockets.ts";
import type { Service, Stack } from "../model/stack.ts";

export interface Finding {
  /** The path in the file's own keys. */
  path: (string | number)[];
  message: string;
  hint: string;
}

export interface Rule {
  /** What the rule requires, for the documentation. */
  asks: string;
  check: (service: Service, stack: Stack) => Finding[];
}

/** Names of variables whose values are probably secret. */
const SECRET = /(?:^|_)(?:apikey|api_key|credentials?|passw(?:or)?d|pwd|secret|token|private_key)(?:_|$)/i;
/** The value of a variable with this ending is a path. */
const NOT_SECRET = /_(?:file|path|dir)$/i;
const ANYWHERE = ["", "0.0.0.0", "::"];

const found = (service: Service, keys: (string | number)[], message: string, hint: string): Finding => ({
  path: ["services", service.name, ...keys],
  message: `services.${service.name}: ${message}`,
  hint,
});

export const RULES: Record<string, Rule> = {
  "image-latest": {
    asks: "images must have a version tag or a digest",
    check: (service, stack) => {
      const { image, build } = service;
      if (build || stack.images[image] || image.includes("@")) return [];
      const tag = /:([\w.-]+)$/.exec(image)?.[1];
      if (tag !== undefined && tag !== "latest") return [];
      const message = `${image} can be a different image at any time`;
      return [found(service, ["image"], message, "use a version tag or a digest")];
    },
  },
  "secret-in-environment": {
    asks: "secrets must be files, not variables, which inspect and child processes can read",
    check: (service) =>
      Object.entries(service.environment)
        .filter(([name, value]) => SECRET.test(name) && !NOT_SECRET.test(name) && value !== "")
        .map(([name]) =>
          found(
            service,
            ["environment", name],
            `the variable ${name} holds a secret`,
            "declare it under secrets: and mount it as a file; many images read NAME_FILE",
          ),
        ),
  },
  "port-on-all-addresses": {
    asks: "published ports should be bound to an address",
    check: (service) =>
      service.ports
        .filter(({ hostAddress }) => ANYWHERE.includes(hostAddress))
        .map(({ hostPort = "a port", containerPort }) =>
          found(
            service,
            ["ports"],
            `${hostPort} is published on all addresses of the host`,
            `127.0.0.1:${hostPort === "a port" ? "" : hostPort}:${containerPort} is reachable from this host only`,
          ),
        ),
  },
  "dependency-without-health-check": {
    asks: "services that others depend on need a health check",
    check: (service, stack) =>
      Object.entries(service.dependsOn).flatMap(([name, { condition }]) => {
        const other = stack.services[name];
        if (!other || other.healthcheck || condition === "service_completed_successfully") return [];
        return [
          found(
            service,
            ["depends_on"],
            `${name} has no health check, so it counts as ready as soon as it runs`,
            `give ${name} a healthcheck, and depend on it with condition: service_healthy`,
          ),
        ];
      }),
  },
  "no-memory-limit": {
    asks: "services must have a memory limit",
    check: (service) =>
      service.resources.memory === undefined
        ? [found(service, [], "no memory limit is set", "for example mem_limit: 512m")]
        : [],
  },
  "no-restart-policy": {
    asks: "services that publish ports must have a restart policy",
    check: (service) => {
      const isJob = service.restart.policy !== "no" || service.ports.length === 0;
      if (isJob) return [];
      return [
        found(
          service,
          [],
          "it publishes ports but is not restarted when it exits",
          "restart: unless-stopped",
        ),
      ];
    },
  },
  "privileged-container": {
    asks: "containers must not be privileged",
    check: (service) =>
      service.privileged
        ? [
            found(
              service,
              ["privileged"],
              "it has full access to the host",
              "add only the capabilities it needs with cap_add",
            ),
          ]
        : [],
  },
  "host-network": {
    asks: "containers must not use the host's network",
    check: (service) =>
      service.networkMode === "host"
        ? [found(service, ["network_mode"], "it uses the host's network", "publish its ports instead")]
        : [],
  },
  "docker-socket": {
    asks: "containers must not mount the runtime's socket",
    check: (service) =>
      service.mounts
        .filter((mount) => mount.type === "bind" && DOCKER_SOCKETS.includes(mount.source))
        .map(() =>
          found(
            service,
            ["volumes"],
            "the socket gives it root access to the host",
            "use a socket proxy that limits the access",
          ),
        ),
  },
  "fixed-name": {
    asks: "container_name prevents scaling and start-first updates",
    check: (service) =>
      service.containerName === undefined
        ? []
        : [
            found(
              service,
              ["container_name"],
              "a fixed name allows one container only",
              "remove it: the service name resolves in DNS",
            ),
          ],
  },
};
