/** Rules for stack files that work, and will hurt. Each has a name, by which a file can silence it. */
import { DOCKER_SOCKETS } from "../../core/docker-sockets.ts";
import type { Service, Stack } from "../model/stack.ts";

export interface Finding {
  /** In the files' own keys. */
  path: (string | number)[];
  message: string;
  hint: string;
}

export interface Rule {
  /** What the rule asks for, for documents. */
  asks: string;
  check: (service: Service, stack: Stack) => Finding[];
}

/** Names that say that what they hold is secret. */
const SECRET = /(?:^|_)(?:apikey|api_key|credentials?|passw(?:or)?d|pwd|secret|token|private_key)(?:_|$)/i;
/** Of these the value is a path. */
const NOT_SECRET = /_(?:file|path|dir)$/i;
const ANYWHERE = ["", "0.0.0.0", "::"];

const found = (service: Service, keys: (string | number)[], message: string, hint: string): Finding => ({
  path: ["services", service.name, ...keys],
  message: `services.${service.name}: ${message}`,
  hint,
});

export const RULES: Record<string, Rule> = {
  "image-latest": {
    asks: "an image has a tag or a digest that says which one it is",
    check: (service, stack) => {
      const { image, build } = service;
      if (build || stack.images[image] || image.includes("@")) return [];
      const tag = /:([\w.-]+)$/.exec(image)?.[1];
      if (tag !== undefined && tag !== "latest") return [];
      const message = `${image} is another image tomorrow`;
      return [found(service, ["image"], message, "name a version, or a digest")];
    },
  },
  "secret-in-environment": {
    asks: "secrets come as files, and not as variables that inspect and every child process show",
    check: (service) =>
      Object.entries(service.environment)
        .filter(([name, value]) => SECRET.test(name) && !NOT_SECRET.test(name) && value !== "")
        .map(([name]) =>
          found(
            service,
            ["environment", name],
            `the variable ${name} holds a secret`,
            "put it under secrets:, and give the service its file; many images read NAME_FILE",
          ),
        ),
  },
  "port-on-all-addresses": {
    asks: "a published port is bound to the address that it is meant for",
    check: (service) =>
      service.ports
        .filter(({ hostAddress }) => ANYWHERE.includes(hostAddress))
        .map(({ hostPort = "a port", containerPort }) =>
          found(
            service,
            ["ports"],
            `${hostPort} is open on every address of the host`,
            `127.0.0.1:${hostPort === "a port" ? "" : hostPort}:${containerPort} is for this host alone`,
          ),
        ),
  },
  "dependency-without-health-check": {
    asks: "what others wait for says when it is ready",
    check: (service, stack) =>
      Object.entries(service.dependsOn).flatMap(([name, { condition }]) => {
        const other = stack.services[name];
        if (!other || other.healthcheck || condition === "service_completed_successfully") return [];
        return [
          found(
            service,
            ["depends_on"],
            `${name} has no health check, so that it counts as ready once it runs`,
            `give ${name} a healthcheck, and depend on it with condition: service_healthy`,
          ),
        ];
      }),
  },
  "no-memory-limit": {
    asks: "a service cannot take all of the host's memory",
    check: (service) =>
      service.resources.memory === undefined
        ? [found(service, [], "nothing limits its memory", "mem_limit: 512m, for example")]
        : [],
  },
  "no-restart-policy": {
    asks: "a service that serves others comes back when it ends",
    check: (service) => {
      const isJob = service.restart.policy !== "no" || service.ports.length === 0;
      if (isJob) return [];
      return [
        found(service, [], "it publishes ports, and stays down when it ends", "restart: unless-stopped"),
      ];
    },
  },
  "privileged-container": {
    asks: "no container has all of the host's rights",
    check: (service) =>
      service.privileged
        ? [found(service, ["privileged"], "it has all rights on the host", "name what it needs with cap_add")]
        : [],
  },
  "host-network": {
    asks: "a container has a network of its own",
    check: (service) =>
      service.networkMode === "host"
        ? [found(service, ["network_mode"], "it has the host's own network", "publish its ports")]
        : [],
  },
  "docker-socket": {
    asks: "no container is given the socket by which it could start others",
    check: (service) =>
      service.mounts
        .filter((mount) => mount.type === "bind" && DOCKER_SOCKETS.includes(mount.source))
        .map(() => found(service, ["volumes"], "with that socket it is root on the host", "give it a proxy")),
  },
  "fixed-name": {
    asks: "a service can have several containers, and be replaced by one that starts first",
    check: (service) =>
      service.containerName === undefined
        ? []
        : [
            found(
              service,
              ["container_name"],
              "a fixed name allows one container",
              "leave it out: the service has its name in DNS",
            ),
          ],
  },
};
