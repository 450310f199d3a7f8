/** `volumes_from`: mounts that have names are read with the file, and anonymous volumes are taken from the container. */
import { describe, expect, it } from "vitest";
import { desiredConfig } from "../../../../src/reconcile/decide/desired.ts";
import { makePlan } from "../../../../src/reconcile/index.ts";
import { toCompose } from "../../../../src/stack/index.ts";
import { NOTHING } from "../../../support/actual.ts";
import { loadText } from "../../../support/stack.ts";

const { stack } = loadText(`
services:
  a: { image: x, volumes: [/d, "n:/n"] }
  b: { image: x, volumes_from: ["a:ro"] }
volumes: { n: }
`);

it("a service has the named mounts of another, and knows whose anonymous volumes it has", () => {
  const { mounts, volumesFrom } = stack.services.b!;
  expect(mounts).toEqual([expect.objectContaining({ source: "n", target: "/n", readOnly: true })]);
  expect(volumesFrom).toEqual([{ service: "a", isReadOnly: true }]);
  expect(loadText(JSON.stringify(toCompose(stack))).stack.services.b).toEqual(stack.services.b);
});

it("its container names the container, which comes before volumes of the image", () => {
  const rootfs = { type: "layers" as const, diff_ids: [] };
  const config = {
    architecture: "amd64",
    os: "linux",
    rootfs,
    config: { Cmd: ["run"], Volumes: { "/img": {} } },
  };
  const image = { id: "sha256:1", config };
  const own = desiredConfig(stack, stack.services.b!, 1, image);
  expect(own.volumesFrom).toEqual([{ container: "demo-a-1", readOnly: true }]);
  expect(own.mounts).toContainEqual(expect.objectContaining({ target: "/img", isOfImage: true }));
});

describe("the mounts of a container of the host", () => {
  const other = loadText(`
services:
  a: { image: app, volumes: [/own], volumes_from: ["container:old", "container:shop-db-1:ro"] }
  b: { image: app, volumes_from: [a] }
`).stack;
  const mounts = (service: string) =>
    makePlan(other, {
      ...NOTHING,
      containerMounts: {
        old: [
          { type: "volume", source: "anonymous", target: "/own", readOnly: false, noCopy: false },
          {
            type: "bind",
            source: "/srv",
            target: "/srv",
            readOnly: false,
            recursive: true,
            createSource: true,
          },
        ],
        "shop-db-1": [{ type: "volume", source: "data", target: "/data", readOnly: false, noCopy: false }],
      },
    })
      .steps.find((step) => step.service === service)!
      .container!.config!.mounts.map((mount) => [mount.target, "source" in mount && mount.source, mount]);

  it("are those of its service, and of those that have its volumes, with their modes", () => {
    const [own, bind, data] = mounts("a");
    expect(own!.slice(0, 2)).toEqual(["/own", ""]);
    expect(bind).toMatchObject(["/srv", "/srv", { type: "bind", readOnly: false }]);
    expect(data).toMatchObject(["/data", "data", { type: "volume", readOnly: true, noCopy: true }]);
    expect(mounts("b").map(([target]) => target)).toEqual(["/srv", "/data"]);
  });

  it("are an error of the plan with its place where there is no such container", () => {
    expect(() => makePlan(other, NOTHING)).toThrow(
      /bay\.yaml:3:\d+: services\.a\.volumes_from: the container old does not exist\n.*shop-db-1 does not exist/,
    );
  });

  it("stay in what config prints", () => {
    expect(loadText(JSON.stringify(toCompose(other))).stack.services.a!.containerVolumes).toMatchObject([
      { container: "old", isReadOnly: false },
      { container: "shop-db-1", isReadOnly: true },
    ]);
  });
});
