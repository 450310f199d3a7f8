import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { DEFAULT_SETTINGS, readDaemonSettings } from "../../../src/core/daemon-settings.ts";

describe("daemon.json", () => {
  const folder = mkdtempSync(join(tmpdir(), "bay-settings-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const read = (text: string) => {
    writeFileSync(join(folder, "daemon.json"), text);
    return readDaemonSettings(folder);
  };

  it("is optional, and so is every key", () => {
    expect(readDaemonSettings(join(folder, "absent"))).toEqual(DEFAULT_SETTINGS);
    expect(read("{}")).toEqual(DEFAULT_SETTINGS);
    expect(read('{"log-opts": {"max-file": "3"}}')).toEqual({ ...DEFAULT_SETTINGS, logMaxFiles: 3 });
  });

  it("takes sizes as Docker writes them, and 0 and -1 for no pids limit", () => {
    expect(read('{"max-layer-size": "2g", "max-image-size": 1000}')).toMatchObject({
      maxLayerSize: 2 ** 31,
      maxImageSize: 1000,
    });
    for (const value of [0, -1]) expect(read(`{"default-pids-limit": ${value}}`).defaultPidsLimit).toBe(0);
  });

  it("says what /proc of containers shows", () => {
    expect(read('{"proc": "limits", "lxcfs": "/srv/lxcfs"}')).toMatchObject({
      procView: "limits",
      lxcfs: "/srv/lxcfs",
    });
  });

  it("has Docker's keys of networks and registries", () => {
    const pools = '[{"base": "10.200.0.0/16", "size": 24}]';
    expect(
      read(
        `{"bip": "172.30.5.1/24", "default-address-pools": ${pools}, "dns": ["10.0.0.2"], "dns-search": ["lan"], "dns-opts": ["ndots:2"], "live-restore": true, "registry-mirrors": ["https://mirror.lan"], "insecure-registries": ["registry.lan:5000"]}`,
      ),
    ).toMatchObject({
      network: {
        bridge: { subnet: "172.30.5.0/24", gateway: "172.30.5.1" },
        pools: [{ base: "10.200.0.0/16", size: 24 }],
        dns: ["10.0.0.2"],
        dnsSearch: ["lan"],
        dnsOptions: ["ndots:2"],
      },
      registries: { mirrors: ["https://mirror.lan"], insecure: ["registry.lan:5000"] },
    });
  });

  it("says why a key of Docker's is not supported, and names all wrong keys", () => {
    expect(() => read('{"userns-remap": "x", "data-root": "/x", "nosuch": 1}')).toThrowError(
      /userns-remap is not supported: bay does not map users; data-root is not supported: .*; unknown key nosuch/,
    );
  });

  it.each([
    '{"bip": "172.30.5.0/24"}',
    '{"bip": "172.30.5.255/24"}',
    '{"bip": "172.30.5.1"}',
    '{"bip": "fd00::1/64"}',
    '{"default-address-pools": [{"base": "10.0.0.0/16", "size": 8}]}',
    '{"default-address-pools": [{"base": "10.0.0.1/16", "size": 24}]}',
    '{"default-address-pools": [{"base": "fd00::/48", "size": 64}]}',
    '{"default-address-pools": []}',
    '{"dns": ["name"]}',
    '{"live-restore": false}',
    '{"insecure-registries": ["10.0.0.0/8"]}',
    '{"registry-mirrors": ["mirror"]}',
    '{"proc": "limit"}',
    '{"lxcfs": "lxcfs"}',
    '{"max-layers": 1}',
    '{"log-opts": {"max-sizes": "1m"}}',
    '{"max-layer-size": "much"}',
    '{"max-layer-size": -1}',
    '{"log-opts": {"max-size": "1k"}}',
    '{"default-pids-limit": 1.5}',
    '{"default-pids-limit": -2}',
    "[]",
    "{",
  ])("refuses %s with the name of the file", (text) => {
    expect(() => read(text)).toThrowError(
      expect.objectContaining({ code: "BAD_SETTINGS", message: expect.stringContaining(folder) }),
    );
  });

  const TLS = '"tlsverify": true, "tlscacert": "/p/ca", "tlscert": "/p/cert", "tlskey": "/p/key"';

  it("names where bayd listens, as Docker's does", () => {
    const tls = { ca: "/p/ca", cert: "/p/cert", key: "/p/key" };
    expect(read(`{"hosts": ["tcp://0.0.0.0", "unix:///x.sock", "tcp://[::1]:99"], ${TLS}}`).listen).toEqual({
      sockets: ["/x.sock"],
      tcp: [
        { host: "0.0.0.0", port: 2376, tls },
        { host: "::1", port: 99, tls },
      ],
    });
    expect(read('{"hosts": ["tcp://127.0.0.1"]}').listen.tcp).toEqual([
      { host: "127.0.0.1", port: 2375, tls: undefined },
    ]);
    expect(
      read('{"hosts": ["tcp://localhost"], "tls": true, "tlscert": "/c", "tlskey": "/k"}').listen.tcp,
    ).toEqual([{ host: "localhost", port: 2376, tls: { ca: undefined, cert: "/c", key: "/k" } }]);
  });

  it.each([
    ['{"hosts": ["tcp://0.0.0.0:2375"]}', "plain TCP is possible only on 127.0.0.1"],
    ['{"hosts": ["tcp://[::]:2375"]}', "plain TCP is possible only"],
    ['{"hosts": ["tcp://192.0.2.1:2375"]}', "plain TCP is possible only"],
    ['{"hosts": ["tcp://server:2376"], "tls": true, "tlscert": "/c", "tlskey": "/k"}', "needs tlsverify"],
    ['{"hosts": ["tcp://server:2376"], "tlsverify": true}', "the key tlscacert is missing"],
    ['{"hosts": ["ssh://server"]}', "bayd cannot listen on ssh://server"],
    ['{"hosts": ["http://server"]}', "the scheme http is not supported"],
    ['{"hosts": ["unix:///a", "unix:///a"]}', "given twice"],
    [`{"tls": false, ${TLS}}`, "contradicts"],
    ['{"tlscert": "/c"}', "expected tlsverify: true"],
    ['{"tlsverify": true, "tlscert": "c"}', "expected an absolute path"],
    ['{"hosts": "tcp://127.0.0.1"}', "hosts"],
    ['{"tlsverify": "yes"}', "tlsverify"],
  ])("refuses %s", (text, message) => {
    expect(() => read(text)).toThrowError(
      expect.objectContaining({ code: "BAD_SETTINGS", message: expect.stringContaining(message) }),
    );
  });

  it("tells all problems of hosts at once", () => {
    expect(() => read('{"hosts": ["tcp://0.0.0.0", "ssh://a", "x://b"]}')).toThrowError(
      /0\.0\.0\.0 needs tlsverify.*bayd cannot listen on ssh:\/\/a.*scheme x/,
    );
  });
});
