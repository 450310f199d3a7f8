import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseReference } from "../../../src/core/image-reference.ts";
import { hostPlatform } from "../../../src/image/model/platform.ts";
import { pullImage } from "../../../src/image/registry/pull.ts";
import { pushImage } from "../../../src/image/registry/push.ts";
import { ContentStore } from "../../../src/image/store/content-store.ts";
import { NotedLayers, putImage, registryContract } from "../../contracts/registry.ts";
import { FakeRegistry } from "../../support/fake-registry.ts";

registryContract("in memory", () => FakeRegistry.start());

describe("a registry that answers wrongly", () => {
  let folder: string;
  let registry: FakeRegistry;
  let source: ContentStore;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "bay-registry-faults-"));
    registry = await FakeRegistry.start();
    source = new ContentStore(join(folder, "source"));
  });
  afterEach(async () => {
    await registry.stop();
    rmSync(folder, { recursive: true });
  });
  const reference = () => parseReference(`${registry.host}/app:1`);
  const push = (manifest: ReturnType<typeof putImage>["manifest"]) =>
    pushImage(source, { reference: reference(), manifest, siblings: [], credentials: undefined });
  const pull = () => {
    const content = new ContentStore(join(folder, "target"));
    const layers = new NotedLayers(join(folder, "target"));
    const request = {
      reference: reference(),
      platform: hostPlatform(),
      credentialsOf: async () => undefined,
    };
    return { content, layers, done: pullImage(content, layers, request) };
  };

  it("with a manifest of a different digest is rejected", async () => {
    await push(putImage(source, "app").manifest);
    registry.fault = ({ url }, answer) => {
      if (!url?.includes("/manifests/")) return false;
      answer.writeHead(200, { "docker-content-digest": `sha256:${"0".repeat(64)}` }).end("{}");
      return true;
    };
    await expect(pull().done).rejects.toMatchObject({ code: "WRONG_DIGEST" });
  });

  it("with data that does not match a layer's digest is rejected, and the layer is not kept", async () => {
    const { manifest, diffId } = putImage(source, "app");
    await push(manifest);
    registry.fault = ({ url }, answer) => {
      if (!url?.endsWith(diffId)) return false;
      answer.end("x".repeat(3000));
      return true;
    };
    const { content, done } = pull();
    await expect(done).rejects.toMatchObject({ code: "WRONG_DIGEST" });
    expect(content.has(diffId)).toBe(false);
    expect(content.has(manifest.digest)).toBe(false);
  });

  it("without an upload location is rejected, and no manifest is sent", async () => {
    registry.fault = ({ method }, answer) => {
      if (method !== "POST") return false;
      answer.writeHead(202).end();
      return true;
    };
    await expect(push(putImage(source, "app").manifest)).rejects.toMatchObject({ code: "REGISTRY_ANSWER" });
    expect(registry.seen.filter(({ path }) => path.includes("/manifests/"))).toEqual([]);
  });

  it("that never agrees about an upload's position causes an error", async () => {
    registry.fault = ({ method, url }, answer) => {
      if (method === "PATCH") answer.writeHead(416, { location: url! }).end();
      else if (method === "GET" && url?.includes("/uploads/")) answer.writeHead(204, { range: "0-0" }).end();
      else return false;
      return true;
    };
    await expect(push(putImage(source, "app").manifest)).rejects.toMatchObject({ code: "REGISTRY_ANSWER" });
  });
});
