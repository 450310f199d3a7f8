/** Containers in the shapes of the Docker Engine API. */
import { expect, it } from "vitest";
import type { ContainerRecord } from "../../../../../src/container/index.ts";
import { boundPorts } from "../../../../../src/daemon/api/engine/shapes.ts";

it("shows every place of the host at which a port is bound", () => {
  const bound = (hostAddress: string, hostPort: number, containerPort: number, protocol: string) => ({
    hostAddress,
    hostPort,
    containerPort,
    protocol,
  });
  const list = [
    bound("127.0.0.1", 8080, 80, "tcp"),
    bound("", 8081, 80, "tcp"),
    bound("::1", 8080, 80, "tcp"),
    bound("127.0.0.1", 53, 53, "udp"),
  ];
  const record = { state: { boundPorts: list } } as unknown as ContainerRecord;
  expect(boundPorts(record)).toEqual({
    "80/tcp": [
      { HostIp: "127.0.0.1", HostPort: "8080" },
      { HostIp: "0.0.0.0", HostPort: "8081" },
      { HostIp: "::1", HostPort: "8080" },
    ],
    "53/udp": [{ HostIp: "127.0.0.1", HostPort: "53" }],
  });
});
