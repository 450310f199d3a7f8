/** Containers as bayd lists them, for tests of commands. */
import type { ContainerRow } from "../../src/cli/named-containers.ts";

type More = Partial<Omit<ContainerRow, "Labels">> & { labels?: Record<string, string> };

/** The container `demo-SERVICE-NUMBER`; its ID begins with that name. */
export function row(service: string, number = 1, { labels, ...more }: More = {}): ContainerRow {
  const name = `demo-${service}-${number}`;
  return {
    Id: `${name}-0123456789abcdef`,
    Names: [`/${name}`],
    Image: `${service}:1`,
    ImageID: `sha256:${service}`,
    Command: "/bin/serve --all --the --options",
    Created: 1_760_000_000,
    State: "running",
    Status: "Up 2 minutes",
    Labels: {
      "com.docker.compose.project": "demo",
      "com.docker.compose.service": service,
      "com.docker.compose.container-number": String(number),
      ...labels,
    },
    HostConfig: { NetworkMode: "demo_default" },
    Ports: [],
    ...more,
  };
}

export const idOf = (service: string, number = 1): string => row(service, number).Id;

/** The stack of these containers. */
export const DEMO = `name: demo
services:
  web:
    image: web:1
    depends_on:
      db:
        condition: service_started
        restart: true
  db:
    image: db:1
`;
