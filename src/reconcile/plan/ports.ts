/**
 * Published ports that move from one container of the stack to another: the container that has a port releases it before another
 * step takes it, so that two services can exchange their ports in one plan.
 */
import { fixedPorts, type HostPort, portsOverlap } from "../../core/published-ports.ts";
import type { Actual } from "../model/actual.ts";
import { type AddStep, type Step, say } from "../model/step.ts";

/** Adds a step for each container that releases ports, and makes the steps that take them wait for it. */
export function planPortReleases(steps: Step[], actual: Actual, add: AddStep): void {
  const changes = steps.filter((step) => step.container?.config !== undefined);
  const wantedBy = (step: Step): HostPort[] => fixedPorts(step.container!.config!.ports);
  for (const container of actual.containers) {
    const own = changes.find((step) => step.container!.id === container.id);
    if (!own) continue;
    const kept = wantedBy(own);
    const takers = new Map<Step, HostPort[]>();
    for (const port of container.boundPorts) {
      if (kept.some((each) => portsOverlap(each, port))) continue;
      for (const other of changes)
        if (other !== own && wantedBy(other).some((wanted) => portsOverlap(wanted, port)))
          takers.set(other, [...(takers.get(other) ?? []), port]);
    }
    if (takers.size === 0) continue;
    const release = add({
      kind: "port.release",
      name: container.name,
      service: container.service,
      reasons: [...takers].map(([taker, ports]) =>
        say(`${ports.map(portText).join(", ")} moves to ${taker.name}`),
      ),
      container: { id: container.id, config: undefined, start: false },
      ports: [...takers.values()].flat(),
    });
    const waiting = [own, ...takers.keys()];
    for (const step of waiting) step.after.push(release);
    // steps are in an order that respects their dependencies
    steps.splice(Math.min(...waiting.map((step) => steps.indexOf(step))), 0, steps.pop()!);
  }
}

/** `8080/tcp`, `127.0.0.1:8080/tcp`, `[::1]:53/udp` */
export const portText = ({ hostAddress, hostPort, protocol }: HostPort) => {
  const address = hostAddress.includes(":") ? `[${hostAddress}]` : hostAddress;
  return `${address ? `${address}:` : ""}${hostPort}/${protocol}`;
};
