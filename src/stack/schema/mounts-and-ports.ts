/** Ports, mounts and networks of a service in their long forms. */
import { z } from "zod";
import { boolean, bytes, integer, list, listOrMap, number, stringOrNumber } from "./scalars.ts";

export const longPort = z.strictObject({
  target: integer,
  published: stringOrNumber.optional(),
  host_ip: z.string().optional(),
  protocol: z.enum(["tcp", "udp"]).optional(),
  mode: z.enum(["host", "ingress"]).optional(),
  name: z.string().optional(),
  app_protocol: z.string().optional(),
});

export const longVolume = z.strictObject({
  type: z.enum(["bind", "volume", "tmpfs", "image"]),
  source: z.string().optional(),
  target: z.string(),
  read_only: boolean.optional(),
  bind: z
    .strictObject({
      create_host_path: boolean.optional(),
      recursive: z.enum(["enabled", "disabled"]).optional(),
      propagation: z.enum(["private", "rprivate", "slave", "rslave", "shared", "rshared"]).optional(),
      selinux: z.enum(["z", "Z"]).optional(),
    })
    .optional(),
  consistency: z.string().optional().describe("For Docker Desktop; no effect in bay"),
  volume: z
    .strictObject({
      nocopy: boolean.optional(),
      labels: listOrMap.optional(),
      subpath: z.string().optional().describe("A path inside the volume to mount; it must exist"),
    })
    .optional(),
  tmpfs: z.strictObject({ size: bytes.optional(), mode: integer.optional() }).optional(),
  image: z
    .strictObject({
      subpath: z.string().optional().describe("A path inside the image to mount; it must exist"),
    })
    .optional(),
});

export const dependency = z.strictObject({
  condition: z.enum(["service_started", "service_healthy", "service_completed_successfully"]).optional(),
  required: boolean.optional(),
  restart: boolean.optional(),
});

export const attachment = z.union(
  [
    z.strictObject({
      aliases: list.optional(),
      ipv4_address: z.string().optional(),
      ipv6_address: z.string().optional(),
      priority: number.optional(),
      mac_address: z.string().optional(),
      interface_name: z
        .string()
        .regex(/^[a-zA-Z0-9_.-]{1,15}$/, { error: "expected at most 15 letters, digits, _ . -" })
        .optional(),
      gw_priority: number
        .optional()
        .describe("The network with the highest value provides the default route"),
      "x-bay-rate": stringOrNumber
        .optional()
        .describe("Maximum rate at which a container sends and receives: 512kbit, 10mbit, 1gbit"),
    }),
    z.null(),
  ],
  { error: "expected a mapping with aliases, ipv4_address, priority" },
);
