/** Which hosts get which images from other hosts. */
import { describe, expect, it } from "vitest";
import type { HostState } from "../../../src/daemon/cluster/host-state.ts";
import { madeImages, makersOf, withPeerImages } from "../../../src/daemon/cluster/peer-images.ts";
import type { Service, Stack } from "../../../src/stack/index.ts";

const id = (letter: string) => `sha256:${letter.repeat(64)}`;
const service = (name: string, image: string, build?: object) =>
  ({ name, image, build, mounts: [], replicas: 1, networks: {} }) as unknown as Service;
const stack = (services: Service[], images: object = {}): Stack =>
  ({
    name: "shop",
    services: Object.fromEntries(services.map((each) => [each.name, each])),
    images,
  }) as unknown as Stack;
const image = (name: string, letter: string, rest: object = {}): HostState["images"][number] => ({
  name: `docker.io/library/${name}`,
  id: id(letter),
  manifest: id(letter),
  isInRegistry: false,
  ...rest,
});
const known = { id: id("1"), manifest: id("2") };
const made = { host: "a", find: (name: string) => (name === "app" ? { known } : {}) };

describe("images that hosts get from each other", () => {
  const built = stack([service("web", "app", {}), service("db", "postgres")], { box: {} });

  it("images that the file builds or defines are made where the command runs", () => {
    expect(madeImages(built, new Set(["web", "db"]))).toEqual(new Set(["app"]));
    expect(madeImages(built, new Set(["db"]))).toEqual(new Set());
    const { services } = makersOf(built, new Set(["web", "db"]));
    expect([services.web!.numbers, services.db!.numbers]).toEqual([undefined, []]);
  });

  it("another host fetches them, and does not build them", () => {
    const part = withPeerImages(built, "b", made, new Set(["app"]), new Map());
    expect(part.peerImages).toEqual({ app: { from: "a", known } });
    expect([part.services.web!.build, part.images]).toEqual([undefined, {}]);
    expect(withPeerImages(built, "a", made, new Set(["app"]), new Map())).toBe(built);
  });

  const sources = (hosts: Record<string, HostState["images"]>, host = "b") =>
    withPeerImages(stack([service("db", "loaded")]), host, made, new Set(), new Map(Object.entries(hosts)))
      .peerImages;
  const found = image("loaded:latest", "3");

  it("an image that no registry has comes from a host that has it", () => {
    const digests = { id: id("3"), manifest: id("3") };
    expect(sources({ a: [], b: [], c: [found] })).toEqual({ loaded: { from: "c", known: digests } });
    // the host where the command runs comes first
    expect(sources({ a: [found], b: [], c: [found] })).toEqual({ loaded: { from: "a", known: digests } });
    expect(sources({ a: [found], b: [], c: [found] }, "a")).toBeUndefined();
  });

  it("an image that a registry or the host itself has is not fetched", () => {
    expect(sources({ b: [], c: [{ ...found, isInRegistry: true }] })).toEqual({});
    expect(sources({ b: [image("loaded:latest", "4")], c: [found] })).toEqual({});
    expect(sources({ b: [image("other:latest", "4")], c: [] })).toEqual({});
  });

  it("a fetched image that changed on its first host is fetched again from there, and from no other", () => {
    const hosts = { a: [image("loaded:latest", "5")], b: [{ ...found, id: id("4"), fetchedFrom: "c" }] };
    expect(sources({ ...hosts, c: [found] })?.loaded?.from).toBe("c");
    expect(sources({ ...hosts, c: [] })).toEqual({});
  });
});
