/** `deploy:` of a service, and requests for devices. */
import { z } from "zod";
import { bytes, duration, integer, list, listOrMap, number } from "./scalars.ts";

const limits = z.strictObject({
  cpus: number.optional(),
  memory: bytes.optional(),
  pids: integer.optional(),
});

const updateConfig = z.strictObject({
  parallelism: integer.optional().describe("Number of containers replaced at the same time; 0 for all"),
  delay: duration.optional().describe("Delay between groups of containers"),
  failure_action: z
    .enum(["pause", "continue", "rollback"], { error: "expected pause, continue or rollback" })
    .optional()
    .describe("The action if a container fails"),
  monitor: duration
    .optional()
    .describe("How long a new container is monitored before it counts as successful"),
  max_failure_ratio: number.optional().describe("The ratio of containers that may fail, 0 to 1"),
  order: z
    .enum(["start-first", "stop-first"], { error: "expected start-first or stop-first" })
    .optional()
    .describe("start-first: the new container becomes healthy before the old one stops"),
});

/** A device that a driver finds, such as a GPU. */
export const deviceRequest = z.strictObject({
  capabilities: z.array(z.string()).optional().describe("Required capabilities of the device: gpu, tpu"),
  driver: z.string().optional(),
  count: z.union([z.string(), z.number().int()]).optional().describe("How many devices, or all"),
  device_ids: z.array(z.string()).optional().describe("IDs of the devices"),
  options: listOrMap.optional().describe("Options of the driver"),
});

export const deploy = z.strictObject({
  update_config: updateConfig.optional().describe("The update policy"),
  rollback_config: updateConfig.optional().describe("The rollback policy"),
  mode: z.enum(["replicated", "global"]).optional().describe("global runs one container per host"),
  replicas: integer.optional(),
  labels: listOrMap.optional().describe("Labels of the service, not of its containers"),
  endpoint_mode: z.enum(["vip", "dnsrr"]).optional(),
  placement: z
    .strictObject({
      constraints: list.optional(),
      preferences: z.array(z.strictObject({ spread: z.string().optional() })).optional(),
      max_replicas_per_node: integer.optional(),
    })
    .optional(),
  restart_policy: z
    .strictObject({
      condition: z
        .enum(["none", "no", "on-failure", "any", "always", "unless-stopped"], {
          error: "expected none, on-failure or any",
        })
        .optional(),
      delay: duration.optional(),
      max_attempts: integer.optional(),
      window: duration.optional(),
    })
    .optional()
    .describe("Used if restart is not set"),
  resources: z
    .strictObject({
      limits: limits.optional(),
      reservations: z
        .strictObject({
          cpus: number.optional(),
          memory: bytes.optional(),
          devices: z
            .array(deviceRequest)
            .optional()
            .describe("Not supported yet: bay up rejects the service"),
        })
        .optional(),
    })
    .optional(),
});
