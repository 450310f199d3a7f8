import { afterEach, describe, expect, it } from "vitest";
import {
  Budget,
  checkFileCount,
  layerBounds,
  meter,
  naming,
  setLayerBounds,
} from "../../../../src/image/layers/bounds.ts";

describe("what a layer may take", () => {
  const before = layerBounds();
  afterEach(() => setLayerBounds(before));
  const set = () =>
    setLayerBounds({ layerBytes: 100, layerFiles: 3, imageBytes: 150, settings: "/etc/bay/daemon.json" });
  const refusal = (key: string) =>
    expect.objectContaining({ code: "LAYER_TOO_LARGE", hint: expect.stringContaining(key) });

  it("is bounded for one layer, however it comes in pieces", () => {
    set();
    const count = meter("/", "/", undefined);
    for (let piece = 0; piece < 10; piece++) count(10);
    expect(() => count(1)).toThrowError(refusal("max-layer-size"));
  });

  it("is bounded for all layers of an image together", () => {
    set();
    const budget = new Budget();
    meter("/", "/", budget.shared)(100);
    expect(() => meter("/", "/", budget.shared)(51)).toThrowError(refusal("max-image-size"));
  });

  it("is bounded in files, which need no bytes", () => {
    set();
    checkFileCount(3);
    expect(() => checkFileCount(4)).toThrowError(refusal("max-layer-files"));
  });

  it("is told with the layer's name, the bound and the setting", () => {
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
