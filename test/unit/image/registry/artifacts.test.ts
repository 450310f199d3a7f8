/** Artifacts of registries that answer with something else. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { pullArtifact } from "../../../../src/image/registry/artifacts.ts";
import { closeConnections } from "../../../../src/image/registry/endpoint.ts";

const before = process.env.BAY_CONFIG;
let folder: string;
let body = "";
const server = createServer((_, answer) => {
  answer.setHeader("content-type", "application/vnd.oci.image.manifest.v1+json");
  answer.end(body);
});
let registry: string;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "bay-artifacts-"));
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  registry = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  writeFileSync(join(folder, "registries.json"), JSON.stringify({ insecure: [registry] }));
  process.env.BAY_CONFIG = folder;
});
afterEach(async () => {
  await closeConnections();
  await new Promise((done) => server.close(done));
  rmSync(folder, { recursive: true });
  if (before === undefined) delete process.env.BAY_CONFIG;
  else process.env.BAY_CONFIG = before;
});

it.each(["<html>", "{", "null", "[]"])("reports a manifest that is not one: %s", async (text) => {
  body = text;
  const reference = { registry, repository: "shop", tag: "1", digest: undefined };
  await expect(pullArtifact(reference, undefined)).rejects.toMatchObject({
    code: "BAD_MANIFEST",
    message: `${registry}/shop: this is not an artifact`,
  });
});
