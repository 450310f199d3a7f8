import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseChallenges } from "../../../src/image/registry/challenge.ts";
import { findCredentials, keepCredentials, ownFile } from "../../../src/image/registry/credentials.ts";
import { endpointsOf } from "../../../src/image/registry/endpoint.ts";
import { readSettings } from "../../../src/image/registry/settings.ts";

const folder = mkdtempSync(join(tmpdir(), "bay-registry-unit-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("challenges", () => {
  it("are parsed with quotes, commas and several schemes", () => {
    expect(
      parseChallenges(
        'Bearer realm="https://auth.example/token",service="reg, \\"one\\"",scope="repository:a/b:pull", Basic realm=x',
      ),
    ).toEqual([
      {
        scheme: "bearer",
        parameters: {
          realm: "https://auth.example/token",
          service: 'reg, "one"',
          scope: "repository:a/b:pull",
        },
      },
      { scheme: "basic", parameters: { realm: "x" } },
    ]);
    expect(parseChallenges("Negotiate")).toEqual([{ scheme: "negotiate", parameters: {} }]);
  });
  it("are parsed in bounded time for any text", () => {
    fc.assert(fc.property(fc.string(), (text) => Array.isArray(parseChallenges(text))));
  });
});

describe("credentials", () => {
  const before = { ...process.env };
  beforeEach(() => {
    process.env.XDG_CONFIG_HOME = join(folder, "config");
    process.env.DOCKER_CONFIG = join(folder, "docker");
    mkdirSync(join(folder, "docker"), { recursive: true });
  });
  afterEach(() => {
    process.env = { ...before };
    rmSync(join(folder, "config"), { recursive: true, force: true });
    rmSync(join(folder, "docker"), { recursive: true, force: true });
  });
  const docker = (config: object) =>
    writeFileSync(join(folder, "docker", "config.json"), JSON.stringify(config));
  const auth = (text: string) => Buffer.from(text).toString("base64");

  it("are found in Docker's file, by each of its names for a registry, and in bay's own before it", async () => {
    docker({
      auths: {
        "https://index.docker.io/v1/": { auth: auth("hub:p:w") },
        "reg.lan:5000": { identitytoken: "t" },
      },
    });
    expect(await findCredentials("docker.io")).toEqual({
      username: "hub",
      password: "p:w",
      source: join(folder, "docker", "config.json"),
    });
    expect(await findCredentials("reg.lan:5000")).toMatchObject({ identityToken: "t" });
    expect(await findCredentials("other.lan")).toBeUndefined();
    keepCredentials("docker.io", { username: "own", password: "x" });
    expect(await findCredentials("docker.io")).toEqual({
      username: "own",
      password: "x",
      source: ownFile(),
    });
    expect(statSync(ownFile()).mode & 0o777).toBe(0o600);
    expect(keepCredentials("docker.io", undefined)).toBe(true);
    expect(keepCredentials("docker.io", undefined)).toBe(false);
  });

  it("come from helpers, which are called with the registry", async () => {
    const bin = join(folder, "docker", "bin");
    mkdirSync(bin);
    const script =
      '#!/bin/sh\nread host\n[ "$host" = known.lan ] || { echo "credentials not found in native keychain"; exit 1; }\necho \'{"Username":"me","Secret":"s"}\'\n';
    writeFileSync(join(bin, "docker-credential-test"), script, { mode: 0o755 });
    process.env.PATH = `${bin}:${process.env.PATH}`;
    docker({ credHelpers: { "known.lan": "test", "absent.lan": "nowhere" }, credsStore: "test" });
    expect(await findCredentials("known.lan")).toEqual({
      username: "me",
      password: "s",
      source: "docker-credential-test",
    });
    expect(await findCredentials("unknown.lan")).toBeUndefined();
    await expect(findCredentials("absent.lan")).rejects.toThrow("docker-credential-nowhere is not installed");
  });

  it("that cannot be read cause an error that does not show them", async () => {
    writeFileSync(join(folder, "docker", "config.json"), '{"auths": {"a": {"auth": 5}}, "secret');
    await expect(findCredentials("a")).rejects.toThrow(
      /^.*config\.json does not have the format of docker login$/,
    );
  });
});

describe("endpoints", () => {
  const bases = (registry: string, settings: object) =>
    endpointsOf(registry, { mirrors: {}, insecure: [], ...settings }).map(({ base, insecure }) => [
      base,
      insecure,
    ]);
  it("are the mirrors in order, then the registry, with TLS unless it is local or configured without", () => {
    expect(
      bases("docker.io", { mirrors: { "docker.io": ["mirror.lan", "https://two.lan/proxy/"] } }),
    ).toEqual([
      ["https://mirror.lan", false],
      ["https://two.lan/proxy", false],
      ["https://registry-1.docker.io", false],
    ]);
    expect(bases("localhost:5000", {})[0]![1]).toBe(true);
    expect(bases("reg.lan", { insecure: ["reg.lan"] })[0]![1]).toBe(true);
    expect(() => bases("docker.io", { mirrors: { "docker.io": ["http://plain.lan"] } })).toThrow(
      /plain HTTP/,
    );
  });
  it("come from a file whose errors are all reported", () => {
    writeFileSync(join(folder, "registries.json"), '{"mirrors": {"a": "b"}, "unsafe": []}');
    expect(() => readSettings(folder)).toThrow(/mirrors\.a: .*; .*unsafe/);
    expect(readSettings(join(folder, "none"))).toEqual({ mirrors: {}, insecure: [] });
  });
});
