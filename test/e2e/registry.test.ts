import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { PLAIN_ENTRY } from "../../src/image/tar/describe.ts";
import { encodeEntry, padding } from "../../src/image/tar/header.ts";
import { Bay, eventually } from "../support/bay.ts";
import { type Fault, FaultyRegistry, makeCertificates, Registry, TokenServer } from "../support/registry.ts";

const SIZE = 3 << 20;
const isBlob = (path = "") => /\/blobs\/sha256:/.test(path);

/** A bay with an image of some random megabytes called box. */
function bayWithImage(): Bay {
  const bay = new Bay();
  const rootfs = bay.busybox();
  writeFileSync(join(rootfs, "random"), randomBytes(SIZE));
  bay.env.HOME = bay.folder;
  bay.env.XDG_CONFIG_HOME = join(bay.folder, "config");
  bay.env.BAY_CONFIG = join(bay.folder, "etc");
  bay.env.BAY_REGISTRY_STALL = "700";
  mkdirSync(join(bay.folder, "etc"), { recursive: true });
  bay.write(
    "name: reg\nimages: { box: { rootfs: ../busybox } }\nservices:\n  a: { image: box, command: sleep 1000, network_mode: none, stop_grace_period: 0s }\n",
  );
  bay.ok("up", "--no-start");
  return bay;
}

function tarOf(name: string, text: string): Buffer {
  const bytes = Buffer.from(text);
  const entry = encodeEntry({ ...PLAIN_ENTRY, name, type: "file", mode: 0o644, size: bytes.length });
  return Buffer.concat([entry, bytes, padding(bytes.length), Buffer.alloc(1024)]);
}

const blobs = (bay: Bay) => readdirSync(join(bay.folder, "root", "blobs", "sha256"));
const images = (bay: Bay) =>
  JSON.parse(bay.ok("image", "ls", "--format", "json")) as {
    Id: string;
    RepoTags: string[];
    RepoDigests: string[];
  }[];

/** A second bay with an empty store. */
function emptyBay(like: Bay): Bay {
  const bay = new Bay();
  Object.assign(bay.env, { HOME: bay.folder, XDG_CONFIG_HOME: join(bay.folder, "config") });
  bay.env.BAY_CONFIG = like.env.BAY_CONFIG;
  bay.env.BAY_REGISTRY_STALL = "700";
  bay.write("name: empty\nservices: {}\n");
  return bay;
}

describe("registries", () => {
  let source: Bay;
  let registry: Registry;
  let faulty: FaultyRegistry;
  let bay: Bay;
  const config = (settings: object) =>
    writeFileSync(join(source.folder, "etc", "registries.json"), JSON.stringify(settings));

  beforeAll(async () => {
    source = bayWithImage();
    registry = await Registry.start();
    faulty = await new FaultyRegistry(registry).start();
    source.ok("image", "tag", "box", `${registry.host}/team/box:1`);
    source.ok("image", "push", `${registry.host}/team/box:1`);
  });
  afterAll(async () => {
    faulty.stop();
    await registry.stop();
    source.close();
  });
  beforeEach(() => {
    bay = emptyBay(source);
    faulty.fault = () => false;
    faulty.seen.length = 0;
    config({});
  });
  afterEach(() => bay.close());

  const pull = (fault: Fault, name = `${faulty.host}/team/box:1`) => {
    faulty.fault = fault;
    return bay.call(["image", "pull", name]);
  };
  /** Blobs of which the whole was asked for, and parts. */
  const asked = () => faulty.seen.filter(({ path, method }) => method === "GET" && isBlob(path));

  it("give images by tag and by digest, which are the same that were pushed", async () => {
    bay.ok("image", "pull", `${registry.host}/team/box:1`);
    const [image] = images(bay);
    expect(image!.Id).toBe(images(source).find(({ RepoTags }) => RepoTags.includes("box:latest"))!.Id);
    const [digest] = image!.RepoDigests;
    const listed = bay.ok("image", "ls", "--digests", "--no-trunc", `${registry.host}/team/box:1`);
    expect(listed).toContain(`${registry.host}/team/box:1  ${digest!.split("@")[1]}  ${image!.Id}`);
    bay.write(`services:\n  a: { image: "${registry.host}/team/box:1" }\n`);
    const pinned = bay.ok("config", "--resolve-image-digests", "--images");
    expect(pinned).toBe(`${registry.host}/team/box:1@${digest!.split("@")[1]}\n`);
    expect(bay.ok("config", "--resolve-image-digests")).toContain(
      `image: ${registry.host}/team/box:1@${digest!.split("@")[1]}\n`,
    );
    expect(bay.run(["image", "pull", digest!]).code).toBe(0);
    expect(bay.ok("image", "verify")).toContain("blobs are intact");
    bay.write(
      `name: got\nservices:\n  a: { image: "${registry.host}/team/box:1", command: "sh -c 'wc -c < /random; sleep 1000'", network_mode: none, stop_grace_period: 0s }\n`,
    );
    bay.ok("up", "-d", "--wait");
    expect(bay.ok("logs", "--no-log-prefix", "a").trim()).toBe(String(SIZE));
  });

  it("know an image by its digest once it is pushed, under the names of that repository alone", () => {
    const named = (name: string) =>
      images(source).find(({ RepoTags }) => RepoTags.includes(name))!.RepoDigests;
    const [digest = ""] = named(`${registry.host}/team/box:1`);
    expect(digest).toMatch(new RegExp(`^${registry.host}/team/box@sha256:[0-9a-f]{64}$`));
    const rows = source.ok("image", "ls", "--digests", `${registry.host}/team/box:1`);
    expect(rows).toContain(digest.split("@")[1]);
    const [inspected] = JSON.parse(source.ok("image", "inspect", "box")) as { RepoDigests: string[] }[];
    expect(inspected!.RepoDigests).toEqual([digest]);
    expect(JSON.parse(source.ok("image", "inspect", digest))[0].Id).toBe(images(source)[0]!.Id);
    // a name elsewhere does not have it before it is pushed there
    source.ok("image", "tag", `${registry.host}/team/box:1`, `${registry.host}/elsewhere/box:1`);
    expect(named(`${registry.host}/elsewhere/box:1`)).toEqual([digest]);
    source.ok("image", "push", `${registry.host}/elsewhere/box:1`);
    expect(named(`${registry.host}/elsewhere/box:1`).sort()).toEqual(
      [digest, digest.replace("/team/", "/elsewhere/")].sort(),
    );
    source.ok("image", "rm", `${registry.host}/elsewhere/box:1`);
  });

  it("resume after an interruption, from the same position", async () => {
    let cuts = 0;
    const { code, err } = await pull((call, answer) => {
      if (!isBlob(call.url) || cuts >= 2) return false;
      faulty.pass(call, answer, (body) => {
        let passed = 0;
        body.on("data", (part: Buffer) => {
          passed += part.length;
          answer.write(part);
          if (passed > SIZE / 3 && !answer.destroyed) {
            cuts += 1;
            answer.destroy();
          }
        });
        body.on("end", () => answer.end());
      });
      return true;
    });
    expect([code, err]).toEqual([0, expect.anything()]);
    expect(cuts).toBe(2);
    expect(asked().filter(({ range }) => range !== undefined).length).toBe(2);
  });

  it("are resumed by another bayd after kill -9", async () => {
    faulty.fault = (call, answer) => {
      if (!isBlob(call.url)) return false;
      faulty.pass(call, answer, (body) =>
        body.once("data", (part: Buffer) => answer.write(part.subarray(0, 5000))),
      );
      return true; // and nothing more comes
    };
    const child = bay.start(["image", "pull", `${faulty.host}/team/box:1`]);
    const ended = new Promise((resolve) => child.on("exit", resolve));
    const parts = () => blobs(bay).filter((name) => name.startsWith(".part-"));
    await eventually(() => {
      const [part = "none"] = parts();
      // the layer, not the config
      expect(statSync(join(bay.folder, "root", "blobs", "sha256", part)).size).toBeGreaterThan(4000);
    });
    const daemon = bay.daemonPid();
    process.kill(daemon, "SIGKILL");
    await ended;
    faulty.seen.length = 0;
    await eventually(() => expect(bay.daemonPid()).not.toBe(daemon));
    expect((await pull(() => false)).code).toBe(0);
    expect(asked().some(({ range }) => range !== undefined && range !== "bytes=0-")).toBe(true);
    expect(parts()).toEqual([]);
    expect(bay.run(["image", "verify"]).code).toBe(0);
  });

  it.each([
    [
      "another content",
      "WRONG",
      (body: Buffer) => Buffer.from(body.map((byte, index) => (index === 77 ? byte ^ 1 : byte))),
    ],
    ["too much", "sent more than", (body: Buffer) => Buffer.concat([body, Buffer.alloc(4096)])],
  ])("that send %s are refused, and nothing is kept of it", async (_what, message, change) => {
    const { code, err } = await pull((call, answer) => {
      if (!isBlob(call.url)) return false;
      const onward = { ...call.headers };
      void fetch(`http://127.0.0.1:${registry.port}${call.url}`, {
        headers: onward as Record<string, string>,
      })
        .then((response) => response.arrayBuffer())
        .then((bytes) => answer.end(change(Buffer.from(bytes))));
      return true;
    });
    expect(code).toBe(1);
    expect(err).toContain(message === "WRONG" ? " for sha256:" : message);
    expect(blobs(bay)).toEqual([]);
    expect(images(bay)).toEqual([]);
  });

  it("that end too early repeatedly are named, with the position", async () => {
    const { code, err } = await pull((call, answer) => {
      if (!isBlob(call.url)) return false;
      answer.writeHead(call.headers.range ? 206 : 200, {
        "content-range": `bytes ${/\d+/.exec(call.headers.range ?? "0")?.[0]}-`,
      });
      answer.end();
      return true;
    });
    expect([code, err]).toEqual([1, expect.stringMatching(/interrupted sha256:\w+ after 0 of \d+ bytes/)]);
  });

  it("that stall are given up", async () => {
    const { code, err } = await pull(() => true);
    expect([code, err]).toEqual([1, expect.stringContaining("it does not answer")]);
  });

  it("that ask for patience get it", async () => {
    let refused = 0;
    const began = Date.now();
    const { code } = await pull((call, answer) => {
      if (!/\/manifests\//.test(call.url ?? "") || refused > 0) return false;
      refused += 1;
      answer.writeHead(429, { "retry-after": "1" }).end();
      return true;
    });
    expect(code).toBe(0);
    expect(Date.now() - began).toBeGreaterThan(1000);
  });

  it("receive no password after a redirect to another host", async () => {
    const other = await new FaultyRegistry(registry).start();
    try {
      mkdirSync(join(bay.folder, "config", "bay"), { recursive: true });
      const auth = Buffer.from("me:my secret").toString("base64");
      writeFileSync(
        join(bay.folder, "config", "bay", "auth.json"),
        JSON.stringify({ auths: { [faulty.host]: { auth } } }),
      );
      const { code, err } = await pull((call, answer) => {
        if (!call.headers.authorization) {
          answer.writeHead(401, { "www-authenticate": 'Basic realm="test"' }).end();
          return true;
        }
        if (!isBlob(call.url)) return false;
        answer.writeHead(307, { location: `http://127.0.0.1:${other.port}${call.url}` }).end();
        return true;
      });
      expect([code, err]).toEqual([0, expect.anything()]);
      expect(faulty.seen.some(({ authorization }) => authorization === `Basic ${auth}`)).toBe(true);
      expect(other.seen.length).toBeGreaterThan(0);
      expect(other.seen.filter(({ authorization }) => authorization !== undefined)).toEqual([]);
    } finally {
      other.stop();
    }
  });

  it("are asked after their mirrors, in order, when those fail", async () => {
    const mirror = await new FaultyRegistry(undefined).start();
    try {
      mirror.fault = (_call, answer) => {
        answer.writeHead(500).end();
        return true;
      };
      config({
        mirrors: { [faulty.host]: ["http://localhost:1", `http://${mirror.host}`] },
        insecure: ["localhost:1"],
      });
      expect((await pull(() => false)).code).toBe(0);
      expect(mirror.seen.length).toBeGreaterThan(0);
      mirror.fault = () => false;
      // and with a mirror that has it, the registry itself is not asked
      config({ mirrors: { "registry.example": [`http://${faulty.host}`] } });
      expect((await pull(() => false, "registry.example/team/box:1")).code).toBe(0);
    } finally {
      mirror.stop();
    }
  });

  it("of old are refused by name, and so is a broken configuration", async () => {
    const { code, err } = await pull((call, answer) => {
      if (!/\/manifests\//.test(call.url ?? "")) return false;
      answer.writeHead(200, { "content-type": "application/vnd.docker.distribution.manifest.v1+prettyjws" });
      answer.end(JSON.stringify({ schemaVersion: 1, name: "team/box", tag: "1", fsLayers: [] }));
      return true;
    });
    expect([code, err]).toEqual([1, expect.stringContaining("manifest schema 1")]);
    config({ mirrors: [] });
    expect((await pull(() => false)).err).toContain("registries.json: mirrors");
  });

  it("are spared what they have: blobs are mounted from another repository, and not sent twice", async () => {
    source.ok("image", "pull", `${registry.host}/team/box:1`);
    source.ok("image", "tag", `${registry.host}/team/box:1`, `${registry.host}/other/box:2`);
    expect(source.run(["image", "push", `${registry.host}/other/box:2`]).err).toContain("Mounted");
    expect(source.run(["image", "push", `${registry.host}/other/box:2`]).err).toContain(
      "Layer already exists",
    );
    expect(bay.run(["image", "pull", `${registry.host}/other/box:2`]).code).toBe(0);
  });

  it("tell what they have, page by page", async () => {
    for (const name of ["team/other", "deep/er/box"]) {
      source.ok("image", "tag", "box", `${registry.host}/${name}:1`);
      expect((await source.call(["image", "push", `${registry.host}/${name}:1`])).code).toBe(0);
    }
    const search = (term: string, ...options: string[]) =>
      source
        .ok("image", "search", `${registry.host}/${term}`, ...options)
        .trim()
        .split("\n");
    expect(search("box")).toEqual(
      expect.arrayContaining([`${registry.host}/deep/er/box`, `${registry.host}/team/box`]),
    );
    expect(search("box")).not.toContain(`${registry.host}/team/other`);
    expect(search("", "--limit", "1").length).toBe(1);
    expect(search("nobody-has-this")).toEqual(["nothing found"]);
    faulty.fault = ({ url }, answer) => {
      if (!url?.startsWith("/v2/_catalog")) return false;
      const last = new URL(url, "http://x").searchParams.get("last");
      if (!last) answer.setHeader("link", '</v2/_catalog?last=b&n=2>; rel="next"');
      answer.end(JSON.stringify({ repositories: last ? ["c"] : ["a", "b"] }));
      return true;
    };
    const pages = await bay.call(["image", "search", `${faulty.host}/`]);
    expect(pages.out.trim().split("\n")).toEqual(["a", "b", "c"].map((name) => `${faulty.host}/${name}`));
    faulty.fault = (_, answer) => !!answer.writeHead(404).end("{}");
    const none = await bay.call(["image", "search", `${faulty.host}/a`]);
    expect([none.code, none.err]).toEqual([
      1,
      expect.stringContaining("does not support listing repositories"),
    ]);
  });

  it("are asked again for what is damaged, and for nothing else", async () => {
    const name = `${faulty.host}/team/box:1`;
    expect((await pull(() => false)).code).toBe(0);
    const root = join(bay.folder, "root", "blobs", "sha256");
    const [largest] = blobs(bay).sort((a, b) => statSync(join(root, b)).size - statSync(join(root, a)).size);
    const bytes = readFileSync(join(root, largest!));
    bytes[1000]! ^= 1;
    writeFileSync(join(root, largest!), bytes);
    bay.write(
      `name: again\nservices: { a: { image: "${name}", command: sleep 1000, network_mode: none } }\n`,
    );
    expect(bay.ok("plan")).not.toContain("not on this host");
    expect(bay.run(["image", "verify"]).code).toBe(1);
    expect(bay.ok("plan")).toContain("not on this host");
    faulty.seen.length = 0;
    expect((await bay.call(["up", "--no-start"])).code).toBe(0);
    expect(asked().map(({ path }) => path)).toEqual([`/v2/team/box/blobs/sha256:${largest}`]);
    expect(bay.ok("image", "verify")).toContain("blobs are intact");
    bay.ok("down");
  });

  it("leave foreign layers where they are, and give layers that hold nothing", async () => {
    const record = (
      JSON.parse(source.ok("image", "inspect", "box")) as { Descriptor: { digest: string } }[]
    )[0]!;
    const root = join(source.folder, "root", "blobs", "sha256");
    const blobOf = (digest: string) => readFileSync(join(root, digest.slice(7)));
    const digestOf = (bytes: Buffer) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    const manifest = JSON.parse(blobOf(record.Descriptor.digest).toString()) as {
      config: { digest: string };
      layers: { mediaType: string; digest: string; size: number; urls?: string[] }[];
    };
    const foreign = gzipSync(tarOf("foreign.txt", "from elsewhere"));
    const empty = gzipSync(Buffer.alloc(1024));
    const config = JSON.parse(blobOf(manifest.config.digest).toString()) as {
      rootfs: { diff_ids: string[] };
    };
    config.rootfs.diff_ids.push(
      digestOf(tarOf("foreign.txt", "from elsewhere")),
      digestOf(Buffer.alloc(1024)),
    );
    const configBytes = Buffer.from(JSON.stringify(config));
    const layer = (bytes: Buffer, more: object) => ({
      mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
      digest: digestOf(bytes),
      size: bytes.length,
      ...more,
    });
    const whole = Buffer.from(
      JSON.stringify({
        ...manifest,
        schemaVersion: 2,
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        config: { ...manifest.config, digest: digestOf(configBytes), size: configBytes.length },
        layers: [
          ...manifest.layers,
          layer(foreign, {
            mediaType: "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
            urls: [`http://${faulty.host}/gone`, `http://${faulty.host}/files/foreign.tgz`],
          }),
          layer(empty, {}),
        ],
      }),
    );
    const files: Record<string, Buffer> = {
      [`/v2/team/foreign/blobs/${digestOf(configBytes)}`]: configBytes,
      [`/v2/team/foreign/blobs/${digestOf(empty)}`]: empty,
      "/v2/team/foreign/manifests/1": whole,
      "/files/foreign.tgz": foreign,
    };
    const fault: Fault = ({ url = "", method }, answer) => {
      const bytes = files[url];
      if (url === "/gone") answer.writeHead(404).end();
      else if (bytes && method === "GET") answer.end(bytes);
      else if (url.startsWith("/v2/team/foreign/blobs") && method === "GET")
        answer.end(blobOf(url.split("/").at(-1)!));
      else return false;
      return true;
    };
    const { code, err } = await pull(fault, `${faulty.host}/team/foreign:1`);
    expect([code, err]).toEqual([0, expect.anything()]);
    const foreignBlob = `/v2/team/foreign/blobs/${digestOf(foreign)}`;
    expect(faulty.seen.some(({ path }) => path === foreignBlob)).toBe(false);
    // pushed elsewhere, it stays at its URL
    bay.ok("image", "tag", `${faulty.host}/team/foreign:1`, `${registry.host}/copy/foreign:1`);
    const pushed = await bay.call(["image", "push", `${registry.host}/copy/foreign:1`]);
    expect([pushed.code, pushed.err]).toEqual([
      0,
      expect.not.stringContaining(digestOf(foreign).slice(7, 19)),
    ]);
    const other = emptyBay(source);
    const pulled = await other.call(["image", "pull", `${registry.host}/copy/foreign:1`]);
    expect([pulled.code, pulled.err]).toEqual([0, expect.anything()]);
    expect(other.ok("image", "verify")).toContain("blobs are intact");
    other.close();
  });

  it("are reached through the proxy of bayd's environment, but for localhost", async () => {
    const asked: string[] = [];
    // a proxy that knows one host: the real registry under another name
    const proxy = createServer().on("connect", (call, socket) => {
      asked.push(call.url ?? "");
      const onward = connect(registry.port, "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
        onward.pipe(socket).pipe(onward);
      });
      onward.on("error", () => socket.destroy());
      socket.on("error", () => onward.destroy());
    });
    const port = await new Promise<number>((resolve) =>
      proxy.listen(0, "127.0.0.1", () => resolve((proxy.address() as { port: number }).port)),
    );
    bay.ok("daemon", "stop");
    bay.env.HTTP_PROXY = bay.env.http_proxy = `http://127.0.0.1:${port}`;
    bay.env.HTTPS_PROXY = bay.env.https_proxy = `http://127.0.0.1:${port}`;
    bay.env.NO_PROXY = bay.env.no_proxy = "";
    config({ insecure: ["registry.behind.test:5000"] });
    const { code, err } = await bay.call(["image", "pull", "registry.behind.test:5000/team/box:1"]);
    expect([code, err]).toEqual([0, expect.anything()]);
    expect(asked).toContain("registry.behind.test:5000");
    asked.length = 0;
    expect((await bay.call(["image", "pull", `${registry.host}/team/box:1`])).code).toBe(0);
    expect(asked).toEqual([]);
    proxy.close();
    proxy.closeAllConnections();
  });

  it("are resumed after Ctrl-C", async () => {
    const name = `${faulty.host}/team/box:1`;
    // the blob comes slowly, so that there is time to break it off
    faulty.fault = (call, answer) => {
      if (call.method !== "GET" || !isBlob(call.url)) return false;
      faulty.pass(call, answer, (onward) => {
        onward.on("data", (part: Buffer) => {
          onward.pause();
          answer.write(part);
          setTimeout(() => onward.resume(), 60);
        });
        onward.on("end", () => answer.end());
      });
      return true;
    };
    const pulling = bay.start(["image", "pull", name]);
    const code = new Promise((resolve) => pulling.on("close", (status, signal) => resolve(signal ?? status)));
    const isBegun = (file: string) =>
      file.startsWith(".part-") && statSync(join(bay.folder, "root", "blobs", "sha256", file)).size > 4000;
    const begun = () => blobs(bay).filter(isBegun);
    await eventually(() => expect(begun().length).toBeGreaterThan(0));
    pulling.kill("SIGINT");
    await code;
    expect(bay.ok("image", "ls", "-q")).toBe("");
    expect(begun().length).toBeGreaterThan(0);
    faulty.seen.length = 0;
    expect((await pull(() => false)).code).toBe(0);
    expect(asked().some(({ range }) => range !== undefined && range !== "bytes=0-")).toBe(true);
    expect(bay.ok("image", "verify")).toContain("blobs are intact");
  });

  it("exchange images with skopeo, whose layers are the same bytes", async () => {
    const layerOf = (inspected: string) => (JSON.parse(inspected) as { Layers: string[] }).Layers;
    const mine = layerOf(
      execFileSync("skopeo", ["inspect", "--tls-verify=false", `docker://${registry.host}/team/box:1`], {
        encoding: "utf8",
      }),
    );
    source.ok("image", "save", "-o", "saved.tar", "box");
    const saved = join(source.folder, "stack", "saved.tar");
    const copied = join(bay.folder, "stack", "skopeo.tar");
    execFileSync("skopeo", ["copy", `docker-archive:${saved}`, `oci-archive:${copied}:made/by:skopeo`], {
      stdio: "pipe",
    });
    expect(
      layerOf(execFileSync("skopeo", ["inspect", `docker-archive:${saved}`], { encoding: "utf8" })),
    ).toEqual(mine);
    bay.ok("image", "load", "-i", "skopeo.tar");
    const loaded = images(bay)[0]!;
    expect(loaded.RepoTags).toEqual(["made/by:skopeo"]);
    expect(bay.ok("image", "verify")).toContain("blobs are intact");
  });
});

describe("registries with TLS and tokens", () => {
  it("are entered with a login, and named where there is none", async () => {
    const source = bayWithImage();
    const tls = makeCertificates(join(source.folder, "tls"));
    const tokens = new TokenServer(tls.cert, tls.key, "me", "my secret");
    // the token's key is the server's, and its authority the root that the registry trusts
    const trusted = new TokenServer(tls.cert, tls.key, "me", "my secret");
    await trusted.start();
    Object.assign(tokens, { url: trusted.url });
    const bundle = Object.assign(Object.create(TokenServer.prototype), tokens, {
      certificate: tls.ca,
    }) as TokenServer;
    const registry = await Registry.start({ tls, tokens: bundle });
    try {
      const name = `${registry.host}/private/box:1`;
      source.ok("image", "tag", "box", name);
      const certs = join(source.folder, "etc", "certs.d", registry.host);
      mkdirSync(certs, { recursive: true });
      copyFileSync(makeCertificates(join(source.folder, "other")).ca, join(certs, "ca.crt"));
      expect((await source.call(["image", "push", name])).err).toMatch(/certificate.*\n.*certs\.d/);
      copyFileSync(tls.ca, join(certs, "ca.crt"));
      expect((await source.call(["image", "push", name])).err).toContain(`bay login ${registry.host}`);
      const wrong = await source.call(["login", "-u", "me", "--password-stdin", registry.host], "no\n");
      expect([wrong.code, wrong.err]).toEqual([
        1,
        expect.stringContaining('rejected the user name or password of "me"'),
      ]);
      expect(
        (await source.call(["login", "-u", "me", "--password-stdin", registry.host], "my secret\n")).code,
      ).toBe(0);
      const file = join(source.folder, "config", "bay", "auth.json");
      expect(statSync(file).mode & 0o777).toBe(0o600);
      expect((await source.call(["image", "push", name])).code).toBe(0);
      source.ok("image", "rm", name);
      expect((await source.call(["image", "pull", name])).code).toBe(0);
      expect(readFileSync(join(source.folder, "root", "bayd.log"), "utf8")).not.toContain("my secret");
      // the password was changed at the registry: the message names the file that has the old one
      const kept = readFileSync(file, "utf8");
      writeFileSync(
        file,
        kept.replace(/"auth": ".*"/, `"auth": "${Buffer.from("me:old").toString("base64")}"`),
      );
      const old = (await source.call(["image", "pull", name])).err;
      expect(old).toContain(`they come from ${file}; "bay login ${registry.host}" stores others`);
      source.ok("logout", registry.host);
      expect((await source.call(["image", "pull", name])).err).toContain("requires a login");
    } finally {
      await registry.stop();
      trusted.stop();
      source.close();
    }
  });
});
