/** A container's attachment to one more network, from the settings of an endpoint. */
import type { AttachmentConfig } from "../../../../container/index.ts";
import { BayError } from "../../../../core/errors.ts";
import { DEFAULT_NETWORK } from "../../../../network/index.ts";
import { readDocument } from "../../../../stack/index.ts";
import type { EndpointSettings } from "./container-body.ts";
import { warningsOf } from "./problems.ts";
import { SERVICE, serviceDocument } from "./service-document.ts";

/** Throws BAD_REQUEST with all problems. */
export function attachment(network: string, settings: EndpointSettings): AttachmentConfig {
  const { IPAMConfig: ipam } = settings;
  if (network === DEFAULT_NETWORK && (ipam?.IPv4Address || ipam?.IPv6Address))
    throw new BayError("BAD_REQUEST", "user specified IP address is supported on user defined networks only");
  // a container of any image, of which only the network counts
  const document = serviceDocument({ Image: "any" }, new Map([[network, settings]]), []);
  const { stack, problems } = readDocument(document, SERVICE);
  warningsOf(problems);
  const { rate: _, ...attached } = stack.services[SERVICE]!.networks[network]!;
  return { ...attached, network };
}
