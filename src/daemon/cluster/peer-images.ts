/**
 * Which hosts get which images from other hosts. Images that the file builds or defines are made on the host where the command
 * runs, which has the files; others that no registry has come from a host that has them. Pure.
 */
import { canonicalReference } from "../../core/image-reference.ts";
import { mountedImages } from "../../reconcile/index.ts";
import type { PeerImage, Service, Stack } from "../../stack/index.ts";
import type { HostState } from "./host-state.ts";

type KnownImage = HostState["images"][number];

/** What the hosts have, by their names. */
export type ImagesOfHosts = ReadonlyMap<string, readonly KnownImage[]>;

export interface MadeImages {
  /** The host where the command runs. */
  host: string;
  /** An image that it has made. */
  find: (image: string) => Pick<PeerImage, "known" | "made">;
}

/** Images that services run and mount. */
const usedBy = (service: Service) => [service.image, ...mountedImages(service)].filter(Boolean);

/** Names of images that the file builds or defines, and that a placed service uses. */
export function madeImages({ services, images }: Stack, placed: ReadonlySet<string>): Set<string> {
  const built = new Set(
    Object.values(services)
      .filter(({ build }) => build)
      .map(({ image }) => image),
  );
  const used = Object.values(services)
    .filter(({ name }) => placed.has(name))
    .flatMap(usedBy);
  return new Set(used.filter((image) => built.has(image) || Object.hasOwn(images, image)));
}

/** The stack with only those services on this host that use an image which is made here. */
export function makersOf(stack: Stack, placed: ReadonlySet<string>): Stack {
  const made = madeImages(stack, placed);
  const uses = (service: Service) =>
    placed.has(service.name) && usedBy(service).some((name) => made.has(name));
  const services = Object.entries(stack.services).map(([name, service]) => {
    const { placement: _, ...rest } = service;
    return [name, uses(service) ? rest : { ...rest, numbers: [], replicas: 0 }] as const;
  });
  return { ...stack, services: Object.fromEntries(services) };
}

/** The part of a host, with the images that it gets from other hosts. */
export function withPeerImages(
  part: Stack,
  host: string,
  made: MadeImages,
  madeNames: ReadonlySet<string>,
  hosts: ImagesOfHosts,
): Stack {
  const used = new Set(
    Object.values(part.services)
      .filter(({ replicas }) => replicas > 0)
      .flatMap(usedBy),
  );
  const entries = [...used].flatMap((image): [string, PeerImage][] => {
    if (madeNames.has(image))
      return host === made.host ? [] : [[image, { from: made.host, ...made.find(image) }]];
    const found = sourceOf(image, host, made.host, hosts);
    return found ? [[image, found]] : [];
  });
  if (host === made.host)
    return entries.length === 0 ? part : { ...part, peerImages: Object.fromEntries(entries) };
  return {
    ...part,
    images: {},
    services: Object.fromEntries(
      Object.entries(part.services).map(([name, service]) => [name, { ...service, build: undefined }]),
    ),
    peerImages: Object.fromEntries(entries),
  };
}

/** A host that has an image which no registry has, if this one lacks it, or has an earlier one of that host. */
function sourceOf(image: string, host: string, first: string, hosts: ImagesOfHosts): PeerImage | undefined {
  const name = canonicalReference(image);
  const on = (each: string) => hosts.get(each)?.find((known) => known.name === name);
  const own = on(host);
  if (own && own.fetchedFrom === undefined) return undefined;
  const order = [own?.fetchedFrom ?? first, ...[...hosts.keys()].sort()];
  for (const from of own ? order.slice(0, 1) : order) {
    const found = from === host ? undefined : on(from);
    if (found && !found.isInRegistry) return { from, known: { id: found.id, manifest: found.manifest } };
  }
  return undefined;
}
