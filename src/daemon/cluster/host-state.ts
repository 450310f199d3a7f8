/** What a host tells the one that plans over all hosts: what of a stack runs there, and what of the host is in use. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { type ContainerManager, LABELS } from "../../container/index.ts";
import { LIMITS } from "../../core/limits.ts";
import { isUntagged, registryDigests } from "../../image/index.ts";
import { subnetsOf, withLinks } from "../../network/index.ts";

export const NETWORK_PROGRAMS = ["ovs-vsctl", "wg"] as const;

const name = z.string().max(300);

/** More are not known to the host that plans. */
const MOST_IMAGES = LIMITS.cluster.images;
const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);

export const hostStateSchema = z.object({
  containers: z.array(z.object({ service: name, number: z.int().min(0) })).max(100_000),
  /** Images by their canonical names. */
  images: z
    .array(
      z.object({
        name: z.string().max(4096),
        id: digest,
        manifest: digest,
        isInRegistry: z.boolean(),
        /** The host that it came from. */
        fetchedFrom: name.optional(),
      }),
    )
    .max(MOST_IMAGES),
  /** The host passes ports of the stack on. */
  hasIngress: z.boolean(),
  /** Names of local volumes of the stack. */
  volumes: z.array(name).max(100_000),
  /** Overlay networks of any stack. */
  overlays: z
    .array(z.object({ name, id: z.int(), port: z.int(), subnet: name, subnets6: z.array(name).max(100) }))
    .max(10_000),
  /** All subnets that this host uses: of networks and of its own routes. */
  subnets: z.array(name).max(100_000),
  /** Programs for networks that do not exist on this host; an older bay does not tell. */
  lacks: z.array(z.enum(NETWORK_PROGRAMS)).max(10).optional(),
});
export type HostState = z.infer<typeof hostStateSchema>;

export function hostState(manager: ContainerManager, stack: string): HostState {
  const networks = manager.networks.list();
  return {
    containers: manager
      .list()
      .filter(
        ({ config, role }) =>
          !role && config.labels[LABELS.stack] === stack && config.labels[LABELS.oneOff] !== "True",
      )
      .map(({ config }) => ({
        service: config.labels[LABELS.service] ?? "",
        number: Number(config.labels[LABELS.number] ?? 0),
      })),
    images: manager.images.records
      .list()
      .filter(({ reference }) => !isUntagged(reference))
      .slice(0, MOST_IMAGES)
      .map((record) => ({
        name: record.reference,
        id: record.id,
        manifest: record.manifest.digest,
        isInRegistry: registryDigests(record).length > 0,
        ...(record.fetched ? { fetchedFrom: record.fetched.from } : {}),
      })),
    hasIngress: manager.ingress.of(stack).length > 0,
    volumes: manager.volumes
      .list()
      .filter(({ config }) => config.stack === stack)
      .map(({ config }) => config.name),
    lacks: NETWORK_PROGRAMS.filter(
      (program) => !(process.env.PATH ?? "").split(":").some((folder) => existsSync(join(folder, program))),
    ),
    overlays: networks.flatMap(({ config, subnet, further = [] }) =>
      config.overlay
        ? [
            {
              name: config.name,
              id: config.overlay.id,
              port: config.overlay.port,
              subnet,
              subnets6: further.map((each) => each.subnet),
            },
          ]
        : [],
    ),
    subnets: [
      ...networks.flatMap((network) => subnetsOf(network).map(({ subnet }) => subnet)),
      ...withLinks((links) =>
        links
          .routes()
          .filter(({ prefix }) => prefix > 0)
          .map(({ destination, prefix }) => `${destination}/${prefix}`),
      ),
    ],
  };
}
