/** A plan as JSON for other programs: `bay plan --json`, documented by schemas/plan.schema.json. */
import { z } from "zod";
import type { Plan, Step } from "../model/step.ts";

const reason = z.strictObject({
  field: z
    .string()
    .describe(
      "The path in the stack file, such as services.web.mem_limit; empty if the reason is a sentence",
    ),
  from: z.string().optional().describe("The value on the host; possible secrets are hidden"),
  to: z.string().optional().describe("The value in the file"),
  text: z.string().optional().describe("A reason without a field"),
  drift: z.boolean().describe("Drift: the host changed since the last apply; the file did not"),
});

const step = z.strictObject({
  id: z.string(),
  kind: z
    .enum([
      "image.build",
      "image.make",
      "image.pull",
      "image.fetch",
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
    .describe("The kind of object and the action"),
  action: z.enum(["create", "update", "replace", "remove"]).describe("The sign in the printed plan"),
  name: z.string().describe("The name of the object on the host"),
  service: z.string().optional(),
  reasons: z.array(reason),
  after: z.array(z.string()).describe("Steps that must succeed before this one"),
  afterEnd: z.array(z.string()).describe("Steps that must end before this one, successful or not"),
  waits: z
    .array(
      z.strictObject({
        service: z.string(),
        condition: z.enum(["service_started", "service_healthy", "service_completed_successfully"]),
        required: z.boolean(),
      }),
    )
    .describe("Conditions of other services before the container starts"),
  rollout: z
    .strictObject({
      order: z.enum(["start-first", "stop-first"]),
      why: z
        .string()
        .optional()
        .describe("Why the old container stops first, if the file does not ask for it"),
      delayMs: z.number(),
      monitorMs: z.number(),
      failureAction: z.enum(["pause", "continue", "rollback"]),
      maxFailureRatio: z.number(),
      replicas: z.number(),
    })
    .optional()
    .describe("How the running container is replaced"),
  interruption: z
    .strictObject({
      stopMs: z.number().describe("The maximum duration of the stop"),
      until: z.enum(["running", "healthy"]).describe("What ends the interruption"),
    })
    .optional()
    .describe("Absent if the step causes no interruption"),
  container: z.string().optional().describe("The ID of the existing container"),
  anonymousVolumes: z
    .enum(["renewed", "removed"])
    .optional()
    .describe("What happens to the anonymous volumes of the container; absent if they are kept"),
  ports: z
    .array(
      z.strictObject({
        hostAddress: z.string().describe("Empty for all addresses of the host"),
        hostPort: z.number(),
        protocol: z.enum(["tcp", "udp"]),
      }),
    )
    .optional()
    .describe("Published ports that the container releases"),
  users: z
    .array(z.string())
    .optional()
    .describe("The containers on the network to replace; the step fails if others use it"),
});

export const planSchema = z.strictObject({
  version: z
    .literal(1)
    .describe("The version of this format; new properties may be added without a new version"),
  stack: z.string(),
  steps: z.array(step).describe("Steps in a possible order; independent steps run in parallel"),
  warnings: z.array(z.string()),
  problems: z
    .array(z.string())
    .optional()
    .describe("Problems that prevent the plan on the current host; bay plan exits with code 1"),
  notes: z
    .array(z.string())
    .optional()
    .describe("Notes on objects that are kept although a step might be expected"),
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

/** Omits the containers' full configs, which hold environments. */
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
    description:
      "The output of bay plan --json: the steps from the state of the host to the state in the stack file.",
  };
}
