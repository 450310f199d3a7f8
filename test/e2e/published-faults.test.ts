/** Faults that were published for other tools, tried by the command and the API; docs/security.md has the table. */
import { execFileSync, spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Client } from "../../src/daemon/client.ts";
import { MEDIA } from "../../src/image/model/manifest.ts";
import { PLAIN_ENTRY } from "../../src/image/tar/describe.ts";
import { encodeEntry, padding } from "../../src/image/tar/header.ts";
import { Bay, eventually, makeBusybox, type PsRow } from "../support/bay.ts";
import { RACE_ROUNDS, Swapper } from "../support/swapper.ts";

const sha256 = (bytes: Buffer | string) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const architecture = process.arch === "arm64" ? "arm64" : "amd64";
/** Far more than bayd may keep of one client, and far less than the machine has. */
const LIMIT = 120_000;
const [SENT, MOST_MEMORY] = [300 << 20, 100 << 20];

describe("a fault that was published", () => {
  const bay = new Bay();
  let client: Client;
  const memory = async () => (await client.json<{ memory: number }>("GET", "/bay/v1/daemon")).memory;

  beforeAll(() => {
    bay.busybox();
    bay.write(`
name: faults
images: { box: { rootfs: ../busybox } }
services:
  web: { image: box, command: sleep 100000, stop_grace_period: 0s, init: true, stdin_open: true, network_mode: none }
  tty: { image: box, command: sleep 100000, stop_grace_period: 0s, init: true, tty: true, stdin_open: true, network_mode: none }
`);
    bay.ok("up", "-d");
    client = new Client(bay.socket);
  });
  afterAll(() => bay.close());

  describe("of a volume", () => {
    const outside = join(bay.folder, "outside");
    const services = (more: string) => `
name: filled
images: { box: { rootfs: ../filled } }
services:
  a: { image: box, command: sleep 100000, stop_grace_period: 0s, network_mode: none, volumes: ["data:/etc${more}"] }
volumes: { data: {} }
`;
    beforeAll(() => {
      makeBusybox(join(bay.folder, "filled"));
      mkdirSync(outside);
      writeFileSync(join(outside, "secret"), "of the host");
    });
    afterAll(() => bay.ok("-f", "filled.yaml", "down", "-v", "-t", "0"));

    it.each([
      "",
      ":ro",
    ])("is an image whose files replace those in it: data:/etc%s (CVE-2020-1726)", (more) => {
      bay.write(services(""), "filled.yaml").ok("-f", "filled.yaml", "up", "-d");
      bay.ok("-f", "filled.yaml", "exec", "-T", "a", "sh", "-c", "rm /etc/group; echo mine > /etc/passwd");
      bay.ok("-f", "filled.yaml", "down", "-t", "0");
      bay.write(services(more), "filled.yaml").ok("-f", "filled.yaml", "up", "-d");
      const look = "cat /etc/passwd; ls /etc";
      expect(bay.ok("-f", "filled.yaml", "exec", "-T", "a", "sh", "-c", look)).toMatch(/^mine\n(?!.*group)/s);
    });

    it("is a backup that follows a symbolic link which comes and goes (CVE-2023-0778)", async () => {
      bay.write(services(""), "filled.yaml").ok("-f", "filled.yaml", "up", "-d");
      const data = join(bay.folder, "root", "volumes", "filled_data", "_data");
      const swapper = new Swapper(data, { directory: "place", link: outside });
      try {
        for (let round = 0; round < RACE_ROUNDS / 200; round++) {
          const { out } = await bay.call(["volume", "backup", "filled_data"]);
          expect(out).not.toContain("of the host");
        }
      } finally {
        await swapper.end();
      }
      expect(swapper.swaps).toBeGreaterThan(RACE_ROUNDS);
    });
  });

  it("is a user with the privileges of a privileged container (CVE-2021-20188)", () => {
    bay
      .write(
        'name: strong\nimages: { box: { rootfs: ../busybox } }\nservices: { a: { image: box, command: sleep 100000, stop_grace_period: 0s, network_mode: none, privileged: true, user: "1000" } }\n',
        "strong.yaml",
      )
      .ok("-f", "strong.yaml", "up", "-d");
    const inside = (...words: string[]) => bay.run(["-f", "strong.yaml", "exec", "-T", "a", ...words]);
    for (const process of ["1", "self"])
      expect(inside("grep", "-E", "CapEff|CapPrm", `/proc/${process}/status`).out).toMatch(
        /CapPrm:\s0{16}\nCapEff:\s0{16}\n/,
      );
    bay.ok("-f", "strong.yaml", "exec", "-T", "-u", "0", "a", "sh", "-c", "echo x > /kept; chmod 600 /kept");
    expect(inside("cat", "/kept").err).toContain("Permission denied");
    bay.ok("-f", "strong.yaml", "down", "-t", "0");
  });

  it("is a supervisor that ends because its container has no memory left (CVE-2019-14891)", () => {
    const [{ Pid }] = bay.ps() as [PsRow];
    const statusOf = (pid: number) => readFileSync(`/proc/${pid}/status`, "utf8");
    const shim = Number(/^PPid:\s+(\d+)/m.exec(statusOf(Pid))![1]);
    expect(readFileSync(`/proc/${shim}/cmdline`, "utf8")).toMatch(/^bay-shim/);
    const groups = (pid: number) => readFileSync(`/proc/${pid}/cgroup`, "utf8");
    const own = /\/bay-\w+\/[0-9a-f]{16}/;
    expect(groups(Pid)).toMatch(own);
    expect(groups(shim)).not.toMatch(own);
    // needs CAP_SYS_RESOURCE, which root does not have on every host
    const mayLower = spawnSync("sh", ["-c", "echo -999 > /proc/self/oom_score_adj"]).status === 0;
    expect(readFileSync(`/proc/${shim}/oom_score_adj`, "utf8").trim()).toBe(mayLower ? "-999" : "0");
    expect(readFileSync(`/proc/${Pid}/oom_score_adj`, "utf8").trim()).toBe("0");
  });

  describe("of a registry", () => {
    let server: Server;
    /** Documents by their path, with the header that they are sent with. */
    const documents = new Map<string, { type: string; bytes: Buffer }>();
    const endless = new Set<string>();
    beforeAll(async () => {
      server = createServer(({ url = "" }, response) => {
        const known = documents.get(url);
        if (url === "/v2/") return void response.end("{}");
        if (known && endless.has(url)) {
          response.writeHead(200, { "Content-Type": known.type, "Content-Length": known.bytes.length + 1 });
          return void response.write(known.bytes); // the last byte never comes
        }
        if (!known) return void response.writeHead(404).end();
        response.writeHead(200, { "Content-Type": known.type, "Content-Length": known.bytes.length });
        response.end(known.bytes);
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    });
    afterAll(() => void server.close());

    it.each([
      ["none", (bytes: Buffer) => bytes],
      ["gzip", gzipSync],
      ["xz", (bytes: Buffer) => execFileSync("xz", ["-c"], { input: bytes, maxBuffer: 1 << 28 })],
      ["zstd", (bytes: Buffer) => execFileSync("zstd", ["-c"], { input: bytes, maxBuffer: 1 << 28 })],
    ] as const)("is a layer that is not an archive, packed by %s (CVE-2021-20291)", async (kind, pack) => {
      const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
      const put = (path: string, type: string, bytes: Buffer) => {
        documents.set(`/v2/${path}`, { type, bytes });
        return { digest: sha256(bytes), size: bytes.length };
      };
      const blob = (bytes: Buffer) => put(`x/blobs/${sha256(bytes)}`, "application/octet-stream", bytes);
      // far more than any pipe or buffer on the way holds
      const content = randomBytes(2 << 20);
      const layer = pack(content);
      const config = Buffer.from(
        JSON.stringify({
          architecture,
          os: "linux",
          rootfs: { type: "layers", diff_ids: [sha256(content)] },
        }),
      );
      const described = blob(layer);
      for (const [tag, size] of [
        ["whole", layer.length],
        ["endless", layer.length + 1],
      ] as const) {
        if (tag === "endless") endless.add(`/v2/x/blobs/${described.digest}`);
        const manifest = {
          schemaVersion: 2,
          mediaType: MEDIA.manifest,
          config: { mediaType: MEDIA.config, ...blob(config) },
          layers: [{ mediaType: "application/vnd.oci.image.layer.v1.tar", ...described, size }],
        };
        put(`x/manifests/${kind}-${tag}`, MEDIA.manifest, Buffer.from(JSON.stringify(manifest)));
        const { code, out, err } = await bay.call(["image", "pull", `${host}/x:${kind}-${tag}`]);
        expect([code, out + err], tag).toEqual([1, expect.stringMatching(/tar|too early/)]);
      }
    });

    it("is a document that is a manifest to one tool and an index to another (CVE-2021-41190)", async () => {
      const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
      const config = Buffer.from(
        JSON.stringify({ architecture, os: "linux", rootfs: { type: "layers", diff_ids: [] } }),
      );
      documents.set(`/v2/x/blobs/${sha256(config)}`, { type: "application/octet-stream", bytes: config });
      const described = { mediaType: MEDIA.config, digest: sha256(config), size: config.length };
      const manifest = { schemaVersion: 2, config: described, layers: [] };
      const put = (tag: string, type: string, value: object) => {
        const bytes = Buffer.from(JSON.stringify(value));
        documents.set(`/v2/x/manifests/${tag}`, { type, bytes });
        documents.set(`/v2/x/manifests/${sha256(bytes)}`, { type, bytes });
        return { mediaType: type, digest: sha256(bytes), size: bytes.length };
      };
      const honest = put("honest", MEDIA.manifest, { ...manifest, mediaType: MEDIA.manifest });
      put("plain", "application/json", manifest);
      put("both", MEDIA.manifest, { ...manifest, manifests: [honest] });
      put("header", MEDIA.index, { ...manifest, mediaType: MEDIA.manifest });
      put("field", MEDIA.manifest, { ...manifest, mediaType: MEDIA.index });
      const platform = { os: "linux", architecture };
      put("list", MEDIA.index, {
        schemaVersion: 2,
        mediaType: MEDIA.index,
        manifests: [{ ...honest, mediaType: MEDIA.dockerList, platform }],
      });
      for (const tag of ["honest", "plain"])
        expect((await bay.call(["image", "pull", `${host}/x:${tag}`])).code, tag).toBe(0);
      for (const tag of ["both", "header", "field", "list"]) {
        const { code, err, out } = await bay.call(["image", "pull", `${host}/x:${tag}`]);
        expect(code, tag).not.toBe(0);
        expect(err + out, tag).toMatch(
          /either a manifest or an index|of the document differ|media type of an index/,
        );
      }
    });
  });

  it("is an image that claims to be the result of a build's step (CVE-2024-24557)", () => {
    const file = (name: string, bytes: Buffer) =>
      Buffer.concat([
        encodeEntry({ ...PLAIN_ENTRY, name, type: "file", mode: 0o644, size: bytes.length }),
        bytes,
        padding(bytes.length),
      ]);
    const tar = (...entries: Buffer[]) => Buffer.concat([...entries, Buffer.alloc(1024)]);
    const image = (name: string, layers: Buffer[], history: object[]) => {
      const config = JSON.stringify({
        architecture,
        os: "linux",
        config: { Labels: { made: "here" } },
        rootfs: { type: "layers", diff_ids: layers.map(sha256) },
        history,
      });
      const manifest = [
        { Config: "config.json", RepoTags: [name], Layers: layers.map((_, index) => `${index}.tar`) },
      ];
      writeFileSync(
        join(bay.folder, "stack", "image.tar"),
        tar(
          file("config.json", Buffer.from(config)),
          file("manifest.json", Buffer.from(JSON.stringify(manifest))),
          ...layers.map((layer, index) => file(`${index}.tar`, layer)),
        ),
      );
      bay.ok("image", "load", "-i", "image.tar");
    };
    mkdirSync(join(bay.folder, "stack", "context"), { recursive: true });
    const context = (name: string, text: string) =>
      writeFileSync(join(bay.folder, "stack", "context", name), text);
    context("Dockerfile", "FROM base:1\nCOPY which /which\nLABEL made=here\n");
    context("which", "honest");
    const base = tar(file("a", Buffer.from("a")));
    image("base:1", [base], [{ created_by: "ADD base" }]);
    const steps = [
      { created_by: "ADD base" },
      { created_by: "COPY which /which" },
      { created_by: "COPY which /which # buildkit" },
      { created_by: "LABEL made=here", empty_layer: true },
    ];
    const evil = tar(file("which", Buffer.from("evil")));
    image("evil:1", [base, evil], [steps[0]!, steps[1]!, steps[3]!]);
    image("evil:2", [base, evil], [steps[0]!, steps[2]!, steps[3]!]);
    bay.ok("image", "build", "-t", "built:1", "-o", "type=local,dest=out", "context");
    expect(readFileSync(join(bay.folder, "stack", "out", "which"), "utf8")).toBe("honest");
  });

  it.each([
    "web",
    "tty",
  ])("is output of an exec that nothing reads: %s (CVE-2022-1708, CVE-2022-31030)", async (name) => {
    const before = await memory();
    const { Id } = await client.json<{ Id: string }>("POST", `/containers/faults-${name}-1/exec`, {
      Cmd: ["cat", "/dev/zero"],
      AttachStdout: true,
      Tty: name === "tty",
    });
    const socket = await client.upgrade(`/exec/${Id}/start`, { Detach: false, Tty: name === "tty" });
    socket.pause();
    let Pid = 0;
    await eventually(async () => {
      ({ Pid } = await client.json<{ Pid: number }>("GET", `/exec/${Id}/json`));
      expect(Pid).toBeGreaterThan(0);
    }, LIMIT);
    const written = () => Number(/^wchar: (\d+)/m.exec(readFileSync(`/proc/${Pid}/io`, "utf8"))?.[1]);
    let [last, same] = [-1, 0];
    // it writes no more: the kernel's buffers and bayd's are full
    await eventually(async () => {
      const now = written();
      same = now > 0 && now === last ? same + 1 : 0;
      last = now;
      expect(now).toBeLessThan(MOST_MEMORY);
      expect(same).toBeGreaterThan(20);
    }, LIMIT);
    expect((await memory()) - before).toBeLessThan(MOST_MEMORY);
    socket.destroy();
    process.kill(Pid, "SIGKILL");
    await eventually(async () =>
      expect((await client.json<{ Running: boolean }>("GET", `/exec/${Id}/json`)).Running).toBe(false),
    );
  });

  it("is input that a container does not read", async () => {
    const before = await memory();
    const socket = await client.upgrade("/containers/faults-web-1/attach?stream=1&stdin=1");
    const part = Buffer.alloc(1 << 20, "x\n");
    let sent = 0;
    let waits = false;
    while (sent < SENT && !waits) {
      sent += part.length;
      const isTaken = new Promise((taken) => socket.write(part, taken));
      waits = !(await Promise.race([isTaken.then(() => true), answered(10)]));
    }
    expect(waits, "the client waits").toBe(true);
    expect((await memory()) - before).toBeLessThan(MOST_MEMORY);
    socket.destroy();
  });

  /** False after bayd answered so many other requests, which it takes in turns with all connections. */
  async function answered(count: number): Promise<false> {
    for (let done = 0; done < count; done++) await memory();
    return false;
  }
});
