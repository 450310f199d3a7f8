import { afterEach, describe, expect, it } from "vitest";
import {
  Budget,
  checkFileCount,
  layerBounds,
  meter,
  naming,
  setLayerBounds,
} from "../../../../src/image/layers/bounds.ts";

describe("the bounds of a layer", () => {
  const before = layerBounds();
  afterEach(() => setLayerBounds(before));
  const set = () =>
    setLayerBounds({ layerBytes: 100, layerFiles: 3, imageBytes: 150, settings: "/etc/bay/daemon.json" });
  const refusal = (key: string) =>
    expect.objectContaining({ code: "LAYER_TOO_LARGE", hint: expect.stringContaining(key) });

  it("apply to one layer, in pieces of any size", () => {
    set();
    const count = meter("/", "/", undefined);
    for (let piece = 0; piece < 10; piece++) count(10);
    expect(() => count(1)).toThrowError(refusal("max-layer-size"));
  });

  it("apply to all layers of an image together", () => {
    set();
    const budget = new Budget();
    meter("/", "/", budget.shared)(100);
    expect(() => meter("/", "/", budget.shared)(51)).toThrowError(refusal("max-image-size"));
  });

  it("apply to the number of files, which need no bytes", () => {
    set();
    checkFileCount(3);
    expect(() => checkFileCount(4)).toThrowError(refusal("max-layer-files"));
  });

  it("are reported with the layer's name, the bound and the setting", () => {
    set();
    let error: unknown;
    try {
      meter("/", "/", undefined)(101);
    } catch (thrown) {
      error = naming("the layer sha256:abc", thrown);
    }
    expect(error).toMatchObject({ message: expect.stringMatching(/^the layer sha256:abc: .*100 bytes/) });
    expect(error).toMatchObject({ hint: expect.stringContaining("/etc/bay/daemon.json") });
  });
});
