/** A plan as JSON for other programs: `bay plan --json`, documented by schemas/plan.schema.json. */
import { z } from "zod";
import type { Plan, Step } from "../model/step.ts";

const reason = z.strictObject({
  field: z
    .string()
    .describe("As in the stack file: services.web.mem_limit; empty for a reason that is a sentence"),
  from: z.string().optional().describe("The value that the host has; what may be secret is hidden"),
  to: z.string().optional().describe("The value that the file asks for"),
  text: z.string().optional().describe("A reason that is not about a field"),
  drift: z.boolean().describe("The host moved away from what was applied; the file did not change"),
});

const step = z.strictObject({
  id: z.string(),
  kind: z
    .enum([
      "image.build",
      "image.make",
      "image.pull",
      "network.create",
      "network.replace",
      "network.update",
      "network.remove",
      "network.repair",
      "volume.create",
      "volume.update",
      "volume.remove",
      "port.release",
      "container.create",
      "container.replace",
      "container.update",
      "container.start",
      "container.restart",
      "container.remove",
      "host.repair",
    ])
    .describe("What it is about, and what is done with it"),
  action: z
    .enum(["create", "update", "replace", "remove"])
    .describe("The sign that the printed plan has for it"),
  name: z.string().describe("The object's name on the host"),
  service: z.string().optional(),
  reasons: z.array(reason),
  after: z.array(z.string()).describe("Steps that have to be done before"),
  afterEnd: z.array(z.string()).describe("Steps that have to have ended before, well or not"),
  waits: z
    .array(
      z.strictObject({
        service: z.string(),
        condition: z.enum(["service_started", "service_healthy", "service_completed_successfully"]),
        required: z.boolean(),
      }),
    )
    .describe("What other services have to be before the container starts"),
  rollout: z
    .strictObject({
      order: z.enum(["start-first", "stop-first"]),
      why: z
        .string()
        .optional()
        .describe("Why the old container stops first, where the file does not say it"),
      delayMs: z.number(),
      monitorMs: z.number(),
      failureAction: z.enum(["pause", "continue", "rollback"]),
      maxFailureRatio: z.number(),
      replicas: z.number(),
    })
    .optional()
    .describe("How a running container is replaced"),
  interruption: z
    .strictObject({
      stopMs: z.number().describe("The longest that the stop takes"),
      until: z.enum(["running", "healthy"]).describe("What ends it"),
    })
    .optional()
    .describe("Absent where nobody notices the step"),
  container: z.string().optional().describe("The ID of the container that exists"),
  anonymousVolumes: z
    .enum(["renewed", "removed"])
    .optional()
    .describe("What becomes of the container's anonymous volumes; absent where they stay"),
  ports: z
    .array(
      z.strictObject({
        hostAddress: z.string().describe("Empty for every address of the host"),
        hostPort: z.number(),
        protocol: z.enum(["tcp", "udp"]),
      }),
    )
    .optional()
    .describe("The published ports that the container gives up"),
  users: z
    .array(z.string())
    .optional()
    .describe("The containers on a network that is replaced; with others on it, the step fails"),
});

export const planSchema = z.strictObject({
  version: z.literal(1).describe("Of this format: it grows by new properties alone"),
  stack: z.string(),
  steps: z.array(step).describe("In an order in which they can be done; independent ones are done at once"),
  warnings: z.array(z.string()),
  problems: z
    .array(z.string())
    .optional()
    .describe("What of it cannot be done as the host is now: bay plan exits with 1 then"),
  notes: z.array(z.string()).optional().describe("What stays as it is although a user may expect a step"),
});

export type PlanJson = z.infer<typeof planSchema>;

const ACTIONS: Record<string, PlanJson["steps"][number]["action"]> = {
  build: "create",
  make: "create",
  pull: "create",
  create: "create",
  replace: "replace",
  remove: "remove",
};

/** Without the containers' whole configs, which hold environments. */
export function toPlanJson({ stack, steps, warnings, notes, problems }: Plan): PlanJson {
  return {
    version: 1,
    stack,
    steps: steps.map(toStepJson),
    warnings,
    ...(problems ? { problems } : {}),
    ...(notes ? { notes } : {}),
  };
}

function toStepJson({ container, rollout, ...rest }: Step): PlanJson["steps"][number] {
  const { kind } = rest;
  const { back: _, ...shown } = rollout ?? {};
  return {
    ...rest,
    action: ACTIONS[kind.split(".")[1]!] ?? "update",
    ...(rollout ? { rollout: shown as PlanJson["steps"][number]["rollout"] } : {}),
    ...(container?.id ? { container: container.id } : {}),
    ...(container?.volumes ? { anonymousVolumes: container.volumes } : {}),
  };
}

/** schemas/plan.schema.json */
export function planJsonSchema(): object {
  return {
    ...z.toJSONSchema(planSchema),
    title: "A plan of bay",
    description: "What bay plan --json prints: the steps from what the host has to what the stack file says.",
  };
}
