/** Bodies of the network routes that change something (Docker Engine API 1.47: NetworkCreate, NetworkConnect, NetworkDisconnect). */
import { z } from "zod";
import { LABELS } from "../../../../container/index.ts";
import { BayError } from "../../../../core/errors.ts";
import { isPredefined, type NetworkConfig } from "../../../../network/index.ts";
import { readDocument } from "../../../../stack/index.ts";
import { bridgeSettings } from "../../../stacks/bridge-settings.ts";
import { endpointSettings } from "./container-body.ts";
import { warningsOf } from "./problems.ts";

const text = z.string().max(4096);
const map = z.record(z.string().max(4096), z.string().max(64 << 10));

export const networkBody = z.strictObject({
  Name: z
    .string()
    .regex(
      /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$/,
      "expected at most 255 letters, digits, _ . -, with a letter or digit first",
    ),
  // networks of bay always have different names
  CheckDuplicate: z.boolean().optional(),
  Driver: text.optional(),
  Scope: z.enum(["", "local"], { error: "the only scope is local" }).optional(),
  Internal: z.boolean().optional(),
  Attachable: z.boolean().optional(),
  Ingress: z.literal(false, { error: "an ingress network needs swarm mode" }).optional(),
  ConfigOnly: z.literal(false, { error: "it is not supported" }).optional(),
  ConfigFrom: z
    .strictObject({ Network: z.literal("").optional() }, { error: "it is not supported" })
    .optional(),
  IPAM: z
    .strictObject({
      Driver: text.optional(),
      Config: z
        .array(
          z.strictObject({
            Subnet: text.optional(),
            IPRange: text.optional(),
            Gateway: text.optional(),
            AuxiliaryAddresses: map.optional(),
          }),
        )
        .max(64)
        .optional(),
      Options: z.strictObject({}, { error: "bay has no options for addresses" }).optional(),
    })
    .optional(),
  EnableIPv4: z.literal(true, { error: "a network without IPv4 is not supported" }).optional(),
  EnableIPv6: z.boolean().optional(),
  Options: map.optional(),
  Labels: map.optional(),
});

export const connectBody = z.strictObject({
  Container: z.string().min(1).max(300),
  EndpointConfig: endpointSettings
    .extend({
      Links: z
        .array(z.string())
        .max(0, "links are given when the container is created; give it an alias here")
        .optional(),
    })
    .optional(),
});

export const disconnectBody = z.strictObject({
  Container: z.string().min(1).max(300),
  Force: z.boolean().optional(),
});

const KEY = "network";

/** The config of a network. Throws BAD_REQUEST with all problems. */
export function networkConfigOf(body: z.output<typeof networkBody>): {
  config: NetworkConfig;
  warnings: string[];
} {
  const { Name: name, Labels: labels = {}, IPAM: ipam } = body;
  if (isPredefined(name))
    throw new BayError("PREDEFINED_NETWORK", `operation is not permitted on predefined ${name} network`);
  const { stack, problems } = readDocument(
    {
      networks: {
        [KEY]: {
          name,
          driver: body.Driver || "bridge",
          driver_opts: body.Options ?? {},
          internal: body.Internal ?? false,
          enable_ipv6: body.EnableIPv6 ?? false,
          labels,
          ipam: {
            ...(ipam?.Driver ? { driver: ipam.Driver } : {}),
            config: (ipam?.Config ?? []).map(({ Subnet, IPRange, Gateway, AuxiliaryAddresses }) => ({
              ...(Subnet ? { subnet: Subnet } : {}),
              ...(IPRange ? { ip_range: IPRange } : {}),
              ...(Gateway ? { gateway: Gateway } : {}),
              ...(AuxiliaryAddresses ? { aux_addresses: AuxiliaryAddresses } : {}),
            })),
          },
        },
      },
    },
    KEY,
  );
  const warnings = warningsOf(problems);
  const network = stack.networks[KEY]!;
  if (network.missingDriver)
    throw new BayError("BAD_REQUEST", network.missingDriver.message.replace(/^networks\.network: /, ""));
  return {
    warnings,
    config: {
      name,
      // docker compose's own networks, so that bay finds them as those of the stack
      stack: labels[LABELS.stack],
      key: labels[LABELS.network] ?? name,
      driver: "bridge",
      ...bridgeSettings(network),
      labels,
    },
  };
}
