/** `volumes_from`: mounts that have names are read with the file, and anonymous volumes are taken from the container. */
import { expect, it } from "vitest";
import { desiredConfig } from "../../../../src/reconcile/decide/desired.ts";
import { toCompose } from "../../../../src/stack/index.ts";
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
