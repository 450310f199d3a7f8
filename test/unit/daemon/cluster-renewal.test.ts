/** A host's certificate is replaced before it ends. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { renewIfDue } from "../../../src/daemon/cluster/renewal.ts";
import type { Cluster } from "../../../src/host/index.ts";
import { Membership } from "../../../src/host/membership/membership.ts";
import { MemoryStore } from "../../support/memory-store.ts";

const folder = mkdtempSync(join(tmpdir(), "bay-renewal-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it("is renewed in the last third of its time, and the one before counts no more", async () => {
  const membership = new Membership(folder, new MemoryStore(), () => {});
  const cluster = { membership } as Cluster;
  expect(await renewIfDue(cluster)).toBe(false);
  await membership.init({
    name: "a",
    address: "192.0.2.1",
    port: 2376,
    labels: {},
    platform: { os: "linux", arch: "amd64" },
    capacity: { cpus: 1, memoryBytes: 1 },
  });
  const { certificate } = membership.identity!;
  const { validFrom } = membership.self!;
  expect(await renewIfDue(cluster)).toBe(false);
  const later = Date.now() + 61 * 86_400_000;
  expect(await renewIfDue(cluster, later)).toBe(true);
  expect(membership.identity!.certificate).not.toBe(certificate);
  expect(membership.self!.validFrom).toBeGreaterThan(validFrom);
});
