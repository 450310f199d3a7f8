/** Top-level networks, volumes, secrets and configs. */
import { z } from "zod";
import { boolean, listOrMap, scalar } from "./scalars.ts";

const external = z
  .union([boolean, z.strictObject({ name: z.string().optional() })], { error: "expected true or false" })
  .optional()
  .describe("It exists outside of the stack, which neither creates nor removes it");

const givenFile = {
  name: z.string().optional(),
  file: z.string().optional().describe("Path of the file with the content"),
  environment: z.string().optional().describe("Environment variable with the content"),
  external,
  labels: listOrMap.optional(),
};
export const secretSchema = z.strictObject(givenFile);
export const configSchema = z.strictObject({
  ...givenFile,
  content: z.string().optional().describe("The content, in which variables are replaced"),
});

const address = z.strictObject({
  subnet: z.string().optional(),
  gateway: z.string().optional(),
  ip_range: z.string().optional().describe("The part of the subnet used for container addresses"),
  aux_addresses: z
    .record(z.string(), z.string())
    .optional()
    .describe("Addresses reserved for other devices, by name"),
});

export const networkSchema = z.strictObject({
  name: z.string().optional(),
  driver: z
    .string()
    .optional()
    .describe(
      "bridge, or overlay in a stack with hosts; plan and up reject a service on a network of another driver",
    ),
  driver_opts: z.record(z.string(), scalar).optional(),
  internal: boolean.optional(),
  enable_ipv4: boolean
    .refine((value) => value === true || ["true", "yes", "on"].includes(String(value)), {
      error: "a network without IPv4 is not supported",
    })
    .optional(),
  enable_ipv6: boolean.optional(),
  external,
  attachable: boolean.optional(),
  labels: listOrMap.optional(),
  ipam: z
    .strictObject({
      driver: z
        .string()
        .optional()
        .describe("default; plan and up reject a service on a network with another driver"),
      config: z.array(address).optional(),
    })
    .optional(),
});

export const volumeSchema = z.strictObject({
  name: z.string().optional(),
  driver: z
    .string()
    .optional()
    .describe("local; plan and up reject a service with a volume of another driver"),
  driver_opts: z
    .record(z.string(), scalar)
    .optional()
    .describe("type: none, o: bind and device: DIRECTORY use a directory of the host as the volume"),
  external,
  labels: listOrMap.optional(),
});
