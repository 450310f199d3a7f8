/** The body of `POST /volumes/create` (Docker Engine API 1.47, VolumeCreate). */
import { z } from "zod";
import { LABELS } from "../../../../container/index.ts";
import { BayError } from "../../../../core/errors.ts";
import { readDocument, type Stack } from "../../../../stack/index.ts";
import { type VolumeConfig, VolumeStore } from "../../../../volume/index.ts";
import { warningsOf } from "./problems.ts";

const map = z.record(z.string().max(4096), z.string().max(64 << 10));

export const volumeBody = z.strictObject({
  Name: z.string().max(255).optional(),
  Driver: z.enum(["", "local"], { error: "the only volume driver is local" }).optional(),
  DriverOpts: map.optional(),
  Labels: map.optional(),
  ClusterVolumeSpec: z.never({ error: "a cluster volume needs swarm mode" }).optional(),
});

const KEY = "volume";
/** Docker's mark of a volume without a name of its own. */
const ANONYMOUS = "com.docker.volume.anonymous";

/** The config of a volume; one without a name gets a random one. Throws BAD_REQUEST with all problems. */
export function volumeConfigOf(body: z.output<typeof volumeBody>): VolumeConfig {
  const name = body.Name || VolumeStore.newAnonymousName();
  const labels = { ...body.Labels, ...(body.Name ? {} : { [ANONYMOUS]: "" }) };
  const { stack, problems } = readDocument(
    { volumes: { [KEY]: { name, driver_opts: body.DriverOpts ?? {}, labels } } },
    KEY,
  );
  warningsOf(problems);
  return volumeOf(stack.volumes[KEY]!, labels);
}

/** The config of a volume of a checked document. Throws BAD_REQUEST if its driver does not exist. */
export function volumeOf(
  { name, device, mount, missingDriver }: Stack["volumes"][string],
  labels: Record<string, string>,
): VolumeConfig {
  if (missingDriver)
    throw new BayError("BAD_REQUEST", missingDriver.message.replace(/^volumes\.[^:]+: /, ""));
  return {
    name,
    stack: labels[LABELS.stack],
    key: labels[LABELS.volume],
    anonymous: ANONYMOUS in labels,
    device,
    mount,
    labels,
  };
}
