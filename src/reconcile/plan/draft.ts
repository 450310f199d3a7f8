/** A plan under construction: its steps so far, and the data that the parts of the planner share. */
import { fixedPorts, portsOverlap } from "../../core/published-ports.ts";
import type { Service, Stack } from "../../stack/index.ts";
import type { Actual, ActualContainer } from "../model/actual.ts";
import { type AddStep, type Reason, type Step, say, stepOf } from "../model/step.ts";
import type { PlanOptions } from "./options.ts";
import { Refusals } from "./refusals.ts";

export class Draft {
  readonly steps: Step[] = [];
  readonly warnings: string[] = [];
  readonly notes: string[] = [];
  readonly refusals = new Refusals();
  /** Services of which a container is replaced. */
  readonly replaced = new Set<string>();
  /** Why containers on a network are replaced, by the network's name on the host. */
  networkChanges: ReadonlyMap<string, readonly Reason[]> = new Map();
  /** Containers that are removed, and the steps that do it. */
  readonly #removals: { container: ActualContainer; step: string }[] = [];

  constructor(
    readonly stack: Stack,
    readonly actual: Actual,
    readonly options: PlanOptions,
  ) {}

  /** Adds a step; returns its ID. */
  readonly add: AddStep = (step) => {
    const added = stepOf(step);
    this.steps.push(added);
    return added.id;
  };

  remove(container: ActualContainer, why: Reason): void {
    const step = this.add({
      kind: "container.remove",
      name: container.name,
      service: container.service,
      reasons: [why],
      container: { id: container.id, config: undefined, start: false },
    });
    this.#removals.push({ container, step });
  }

  /** The removals that free a name or a published port which a container needs. */
  removalsBefore(service: Service, name: string): string[] {
    const wanted = fixedPorts(service.ports);
    return this.#removals
      .filter(
        ({ container }) =>
          container.name === name ||
          fixedPorts(container.config.ports).some((port) => wanted.some((own) => portsOverlap(own, port))),
      )
      .map(({ step }) => step);
  }

  /** All observed differences that belong to no object of the stack. */
  repairHost(): void {
    for (const drift of this.actual.drift)
      this.add({ kind: "host.repair", name: "host", reasons: [say(drift, true)] });
  }
}
