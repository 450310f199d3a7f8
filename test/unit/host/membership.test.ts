/** Who is a member: certificates, tokens and the signed list, without a network. */
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { requestCertificate, validFrom } from "../../../src/host/identity/certificates.ts";
import { isOf } from "../../../src/host/identity/peer-listener.ts";
import { parseToken } from "../../../src/host/membership/invitations.ts";
import { Membership } from "../../../src/host/membership/membership.ts";
import type { HostFacts } from "../../../src/host/model/member.ts";
import { MemoryStore } from "../../support/memory-store.ts";

const facts = (name: string, address: string): HostFacts => ({
  name,
  address,
  port: 2376,
  labels: {},
  platform: { os: "linux", arch: "amd64" },
  capacity: { cpus: 2, memoryBytes: 1e9 },
});

describe("membership", () => {
  const folder = mkdtempSync(join(tmpdir(), "bay-host-"));
  const hosts = ["a", "b", "c"].map((name) => {
    const store = new MemoryStore();
    return {
      root: join(folder, name),
      store,
      membership: new Membership(join(folder, name), store, () => {}),
    };
  });
  const [a, b, c] = hosts.map(({ membership }) => membership) as [Membership, Membership, Membership];
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  beforeAll(async () => {
    await a.init(facts("a", "192.0.2.1"));
  });

  async function join_(joining: Membership, name: string, address: string, token = a.invite(60_000)) {
    const { id, secret } = parseToken(token);
    const { request, key } = await requestCertificate();
    await joining.accept(await a.admit({ id, secret }, request, facts(name, address)), key);
  }

  it("the first host has the authority, and keeps its keys to itself", () => {
    expect(a.self).toMatchObject({ name: "a", role: "authority", slot: 0 });
    expect(statSync(join(folder, "a", "host", "identity.json")).mode & 0o777).toBe(0o600);
    expect(a.signed?.list).not.toContain("PRIVATE KEY");
  });

  it("a token works once, and not after its time", async () => {
    const token = a.invite(60_000);
    await join_(b, "b", "192.0.2.2", token);
    await expect(join_(c, "c", "192.0.2.3", token)).rejects.toMatchObject({ code: "BAD_TOKEN" });
    await expect(join_(c, "c", "192.0.2.3", a.invite(-1))).rejects.toMatchObject({ code: "BAD_TOKEN" });
    expect(b.self).toMatchObject({ name: "b", role: "member", slot: 1 });
    expect(() => parseToken("bay1.x.y.z")).toThrow(/bay host invite/);
  });

  it("a name or an address of another member is refused, and the token stays valid", async () => {
    const token = a.invite(60_000);
    await expect(join_(c, "b", "192.0.2.3", token)).rejects.toMatchObject({ code: "HOST_NAME_TAKEN" });
    await expect(join_(c, "c", "192.0.2.2", token)).rejects.toMatchObject({ code: "HOST_NAME_TAKEN" });
    await join_(c, "c", "192.0.2.3", token);
  });

  it("only the authority changes the list, and only its signature is believed", async () => {
    expect(() => b.invite(1000)).toThrow(/the host a changes the members/);
    await a.label("b", { zone: "north" });
    expect(await b.acceptList(a.signed!)).toBe(true);
    expect(b.require("b").labels).toEqual({ zone: "north" });
    const list = JSON.parse(a.signed!.list) as { revision: number };
    const forged = JSON.stringify({ ...list, revision: list.revision + 1, members: [] });
    expect(await b.acceptList({ list: forged, signature: a.signed!.signature })).toBe(false);
    expect(b.members).toHaveLength(3);
  });

  it("an older list does not replace a newer one", async () => {
    const old = a.signed!;
    await a.label("b", { zone: "south" });
    await b.acceptList(a.signed!);
    await b.acceptList(old);
    expect(b.require("b").labels).toEqual({ zone: "south" });
  });

  it("a certificate before the rotation counts no more, the one after it does", async () => {
    const before = new X509Certificate(b.identity!.certificate);
    const { request, key } = await requestCertificate();
    const certificate = await a.renew("b", request);
    b.useCertificate(certificate, key);
    expect(isOf(a.require("b"), before)).toBe(true);
    await a.retire("b", validFrom(certificate));
    expect(isOf(a.require("b"), before)).toBe(false);
    expect(isOf(a.require("b"), new X509Certificate(certificate))).toBe(true);
    expect(isOf(a.require("c"), new X509Certificate(certificate))).toBe(false);
  });

  it("a removed member is told so, and can leave", async () => {
    await a.remove("c");
    await c.acceptList(a.signed!);
    expect(() => c.requireIdentity()).toThrow(/was removed/);
    c.leave();
    expect(() => c.requireIdentity()).toThrow(/does not belong/);
    await expect(a.remove("a")).rejects.toMatchObject({ code: "BAD_MEMBER" });
  });

  it("another process has the same identity and list", () => {
    const { root, store } = hosts[1]!;
    const again = new Membership(root, store, () => {});
    expect(again.self?.name).toBe("b");
    expect(readFileSync(join(root, "host", "identity.json"), "utf8")).toContain('"format":1');
  });
});
