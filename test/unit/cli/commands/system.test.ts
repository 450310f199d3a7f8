/** Commands on bay itself and on objects of the host of any stack. */
import { readFileSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { VERSION } from "../../../../src/core/version.ts";
import { DEMO } from "../../../support/container-rows.ts";
import { type Call, FakeBayd, Reply, rejection } from "../../../support/fake-bayd.ts";
import { bay } from "../../../support/run-command.ts";

let bayd: FakeBayd;
const at = (name: string) => join(bayd.folder, name);
const run = (...words: string[]) => bay(words, { bayd, cwd: bayd.folder });
const rejects = async (words: string[], message: string) =>
  expect(await run(...words)).toEqual({ code: 1, stdout: "", stderr: message });
const json = async (...words: string[]) => JSON.parse((await run(...words)).stdout) as never;
const filters = (call: Call) => JSON.parse(call.query.get("filters")!) as object;

beforeEach(async () => {
  bayd = await FakeBayd.start();
});
afterEach(() => bayd.stop());

describe("bay volume", () => {
  const volumes = [
    { Name: "b", Driver: "local", Mountpoint: "/v/b", Labels: {} },
    { Name: "a", Driver: "local", Mountpoint: "/v/a", Labels: { "com.docker.compose.project": "demo" } },
  ];

  it("lists volumes by name", async () => {
    bayd.on("GET /volumes", { Volumes: volumes });
    expect((await run("volume", "ls")).stdout).toBe(
      "VOLUME  STACK  WHERE\na       demo   /v/a\nb       -      /v/b\n",
    );
    expect((await run("volume", "ls", "-q")).stdout).toBe("a\nb\n");
    expect(await json("volume", "ls", "--format", "json")).toHaveLength(2);
    expect((await run("volume", "ls", "--format", "{{.Name}}={{.Driver}}")).stdout).toBe(
      "a=local\nb=local\n",
    );
  });

  it("shows and removes volumes whose names need escapes", async () => {
    bayd.on("GET /volumes/a b", volumes[0]).on("DELETE /volumes/a b", undefined);
    expect(await json("volume", "inspect", "a b")).toEqual([volumes[0]]);
    expect((await run("volume", "rm", "-f", "a b")).stdout).toBe("removed volume a b\n");
    expect(bayd.seen.at(-1)).toBe("DELETE /volumes/a%20b?force=1");
    await rejects(["volume", "rm", "x"], "error[NO_ROUTE]: the fake bayd has no route DELETE /volumes/x\n");
  });

  const packed = (value: object) => ({
    "x-bay-backup": Buffer.from(JSON.stringify(value)).toString("base64"),
  });

  it("backs up the files, and warns of what may be inconsistent", async () => {
    bayd.on(
      "GET /bay/v1/volumes/data/backup",
      new Reply(
        200,
        "tar",
        { "x-bay-writers": "web,db" },
        packed({ entries: 3, sockets: 1, changed: ["log\u0007"] }),
      ),
    );
    const { code, stderr } = await run("volume", "backup", "-o", "data.tar", "data");
    expect(code).toBe(1);
    expect(stderr.split("\n")).toEqual([
      "warning: web, db may write to the volume during the backup, so files may be inconsistent; --pause pauses the containers",
      "warning: left out 1 socket",
      "warning: log? was truncated while it was read; the rest was filled with zeros",
      "volume data backed up: 3 files and folders",
      "",
    ]);
    expect(readFileSync(at("data.tar"), "utf8")).toBe("tar");
  });

  it("writes a backup to standard output without a warning if nothing is wrong", async () => {
    bayd.on("GET /bay/v1/volumes/data/backup", new Reply(200, "tar", {}, packed({ entries: 1 })));
    expect(await run("volume", "backup", "--pause", "data")).toEqual({
      code: 0,
      stdout: "tar",
      stderr: "volume data backed up: 1 files and folders\n",
    });
    expect(bayd.calls.at(-1)!.query.get("pause")).toBe("1");
  });

  it("reports a backup that was cut, and leaves the earlier file", async () => {
    bayd.on("GET /bay/v1/volumes/data/backup", (_call: Call, answer: ServerResponse) => {
      answer.writeHead(200);
      answer.write("part", () => answer.destroy());
    });
    writeFileSync(at("data.tar"), "before");
    for (const words of [["-o", "data.tar"], []]) {
      const { code, stderr } = await run("volume", "backup", ...words, "data");
      expect(code).toBe(1);
      expect(stderr).toContain("error[BACKUP_INTERRUPTED]: the backup of the volume data was interrupted");
    }
    expect(readFileSync(at("data.tar"), "utf8")).toBe("before");
  });

  it("restores from a file or from standard input", async () => {
    writeFileSync(at("data.tar"), "archive");
    bayd.on("PUT /bay/v1/volumes/data/restore", { entries: 2, lostAttributes: 1 });
    expect((await run("volume", "restore", "-i", "data.tar", "--force", "data")).stderr).toBe(
      "warning: the file system of the volume rejected 1 extended attributes\nvolume data restored: 2 files and folders\n",
    );
    expect(bayd.seen.at(-1)).toBe("PUT /bay/v1/volumes/data/restore?force=1&devices=0");
    expect(bayd.calls.at(-1)!.body).toBe("archive");
    await bay(["volume", "restore", "--devices", "data"], { bayd, input: "bytes" });
    expect([bayd.calls.at(-1)!.body, bayd.calls.at(-1)!.query.get("devices")]).toEqual(["bytes", "1"]);
    const before = bayd.calls.length;
    await rejects(
      ["volume", "restore", "-i", "absent", "data"],
      "error[NO_FILE]: the archive absent does not exist\n",
    );
    expect(bayd.calls).toHaveLength(before);
  });
});

describe("bay network", () => {
  const network = (Name: string, more: object = {}) => ({
    Id: "0123456789abcdef",
    Name,
    Driver: "bridge",
    IPAM: { Config: [{ Subnet: "10.0.0.0/24" }, { Subnet: "fd00::/64" }] },
    Internal: false,
    Labels: {},
    Containers: {},
    ...more,
  });

  it("lists, shows and removes networks", async () => {
    bayd.on("GET /networks", [network("b"), network("a", { Internal: true, Containers: { c1: {} } })]);
    expect(
      (await run("network", "ls")).stdout
        .trim()
        .split("\n")
        .map((line) => line.split(/ {2,}/)),
    ).toEqual([
      ["NETWORK", "STACK", "DRIVER", "SUBNET", "INTERNAL", "CONTAINERS"],
      ["a", "-", "bridge", "10.0.0.0/24, fd00::/64", "yes", "1"],
      ["b", "-", "bridge", "10.0.0.0/24, fd00::/64", "no", "0"],
    ]);
    expect((await run("network", "ls", "-q")).stdout).toBe("a\nb\n");
    expect(await json("network", "ls", "--format", "json")).toHaveLength(2);
    expect((await run("network", "ls", "--format", "table {{.ID}}\\t{{.Name}}")).stdout).toBe(
      "NETWORK ID    NAME\n0123456789ab  a\n0123456789ab  b\n",
    );
    bayd.on("GET /networks/a", network("a")).on("DELETE /networks/a", undefined);
    expect(await json("network", "inspect", "a")).toMatchObject([{ Name: "a" }]);
    expect((await run("network", "rm", "a")).stdout).toBe("removed network a\n");
  });
});

describe("prune", () => {
  beforeEach(() => {
    bayd
      .on("POST /containers/prune", { ContainersDeleted: ["0123456789abcdef"], SpaceReclaimed: 1024 })
      .on("POST /networks/prune", { NetworksDeleted: ["old"] })
      .on("POST /volumes/prune", { VolumesDeleted: ["data"], SpaceReclaimed: 1024 })
      .on("POST /images/prune", {
        ImagesDeleted: [{ Untagged: "a:1" }, { Deleted: "sha256:0123456789abcdef" }],
        SpaceReclaimed: 1024,
      })
      .on("POST /build/prune", { CachesDeleted: ["1", "2"], SpaceReclaimed: 1024 });
  });
  const callTo = (path: string) => bayd.calls.find((call) => call.path === path)!;

  it("removes what is unused, each kind with the filters that it has", async () => {
    const { stdout } = await run(
      ...["system", "prune", "-f", "-a", "--volumes", "--filter", "until=24h", "--filter", "label=x"],
    );
    expect(stdout.split("\n")).toEqual([
      "removed container 0123456789ab",
      "removed network old",
      "removed volume data",
      "removed image a:1",
      "removed image 0123456789ab",
      "removed 2 entries of the build cache",
      "4KiB freed, and unpacked layers",
      "",
    ]);
    expect(filters(callTo("/containers/prune"))).toEqual({ until: ["24h"], label: ["x"] });
    expect(filters(callTo("/volumes/prune"))).toEqual({ label: ["x"] });
    expect(filters(callTo("/images/prune"))).toEqual({ dangling: ["false"], until: ["24h"], label: ["x"] });
    expect(filters(callTo("/build/prune"))).toEqual({ until: ["24h"] });
    expect(callTo("/build/prune").query.get("all")).toBe("true");
  });

  it.each([
    [["volume", "prune", "-a"], "removed volume data\n1KiB freed\n"],
    [["network", "prune"], "removed network old\n"],
    [["builder", "prune", "--keep-storage", "1gb"], "removed 2 entries of the build cache\n1KiB freed\n"],
    [
      ["image", "prune"],
      "removed image a:1\nremoved image 0123456789ab\n1KiB freed, and the unpacked layers\n",
    ],
  ])("removes one kind: %j", async (words, stdout) => {
    expect(await run(...words, "-f")).toEqual({ code: 0, stdout, stderr: "" });
  });

  it("passes the kept size and whether volumes with a name are included", async () => {
    await run("builder", "prune", "-f", "--keep-storage", "1gb");
    expect(callTo("/build/prune").query.get("keep-storage")).toBe(String(1024 ** 3));
    await run("volume", "prune", "-f", "-a");
    expect(filters(callTo("/volumes/prune"))).toEqual({ all: ["true"] });
    await rejects(
      ["builder", "prune", "-f", "--keep-storage", "much"],
      "error[BAD_OPTION]: --keep-storage: invalid size much\n  for example 10gb\n",
    );
  });

  it.each([
    [["system", "prune"]],
    [["volume", "prune"]],
    [["network", "prune"]],
    [["builder", "prune", "-a"]],
    [["image", "prune", "-a"]],
  ])("removes nothing without a terminal to ask on: %j", async (words) => {
    await rejects(
      words,
      "error[BAD_OPTION]: cannot ask for input without a terminal\n  use --force to skip the confirmation\n",
    );
    expect(bayd.seen).toEqual([]);
  });
});

describe("bay system df and bay image du", () => {
  const image = (Id: string, Size: number, more: object) => ({
    Id,
    RepoTags: [`${Id}:1`],
    Created: 0,
    Size,
    UnpackedSize: 1024,
    SharedSize: 1024,
    Containers: 0,
    ...more,
  });
  beforeEach(() => {
    bayd.on("GET /system/df", {
      LayersSize: 8192,
      UnneededSize: 1024,
      Images: [image("small", 2048, { Containers: 1 }), image("large", 4096, { RepoTags: [] })],
      Containers: [
        { Id: "c", Names: ["/web"], Image: "small:1", State: "running", Created: 0, SizeRw: 100 },
        { Id: "d", Names: ["/old"], Image: "small:1", State: "exited", Created: 0, SizeRw: 28 },
      ],
      Volumes: [
        { Name: "used", UsageData: { Size: 1000, RefCount: 1 } },
        { Name: "lone", UsageData: { Size: 24, RefCount: 0 } },
      ],
      BuildCache: [
        { ID: "1", Size: 10, InUse: true, Description: "RUN a", LastUsedAt: "" },
        { ID: "2", Size: 30, InUse: false, Description: "RUN b", LastUsedAt: "" },
      ],
    });
  });

  it("show totals, and what can be freed", async () => {
    const { stdout } = await run("system", "df");
    expect(
      stdout
        .trim()
        .split("\n")
        .map((line) => line.split(/ {2,}/)),
    ).toEqual([
      ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"],
      ["Images", "2", "1", "9KiB", "4KiB (44%)"],
      ["Containers", "2", "1", "128B", "28B (22%)"],
      ["Local Volumes", "2", "1", "1KiB", "24B (2%)"],
      ["Build Cache", "2", "1", "40B", "30B (75%)"],
    ]);
    expect(await json("system", "df", "--format", "json")).toMatchObject([
      { Type: "Images", Reclaimable: 4096 },
      {},
      {},
      {},
    ]);
  });

  it("show each object with -v", async () => {
    const { stdout } = await run("system", "df", "-v");
    for (const heading of ["IMAGE ", "CONTAINER ", "VOLUME ", "BUILD STEP "])
      expect(stdout).toContain(heading);
    expect(stdout).toMatch(/RUN b +30B +no/);
    expect(await json("system", "df", "-v", "--format", "json")).toHaveProperty("LayersSize", 8192);
  });

  it("show images by size", async () => {
    const lines = (await run("image", "du")).stdout.trim().split("\n");
    expect(lines.map((line) => line.split(/ {2,}/)[0])).toEqual([
      "IMAGE",
      "<none>",
      "small:1",
      "8KiB in all, and 1KiB that no image needs",
    ]);
    expect(await json("image", "du", "--format", "json")).toHaveLength(2);
  });
});

describe("bay info, version and explain", () => {
  const INFO = {
    Name: "host",
    ServerVersion: "9",
    OperatingSystem: "Debian",
    KernelVersion: "6.1",
    Architecture: "x86_64",
    NCPU: 2,
    MemTotal: 1024 ** 3,
    CgroupVersion: "2",
    DockerRootDir: "/var/lib/bay",
    Containers: 3,
    ContainersRunning: 1,
    ContainersPaused: 1,
    ContainersStopped: 1,
    Images: 4,
    Warnings: ["no swap limit"],
    Bay: {
      RunDir: "/run/bay",
      SettingsFile: "/etc/bay/daemon.json",
      Settings: { "log-max-size": "10m" },
      Rooms: [{ Path: "/var/lib/bay", Total: 2048, Free: 1024, Reserve: 512, State: "ok" }],
    },
  };

  it("show the host, the settings and warnings", async () => {
    bayd.on("GET /info", INFO);
    const { stdout, stderr } = await run("info");
    expect(stdout).toContain("1 running, 1 paused, 1 stopped");
    expect(stdout).toContain("1KiB of 2KiB free, 512B kept for bay (ok)");
    expect(stdout).toMatch(/log-max-size +10m/);
    expect(stderr).toBe("warning: no swap limit\n");
    expect(await json("info", "--format", "json")).toEqual(INFO);
  });

  it("show versions, with or without bayd", async () => {
    expect((await run("version", "--short")).stdout).toBe(`${VERSION}\n`);
    expect((await run("version")).stdout).toContain("bayd does not answer");
    bayd.on("GET /version", { Version: "9", ApiVersion: "1.43" });
    expect((await run("version")).stdout).toContain("bayd 9 (Engine API 1.43)");
    expect(await json("version", "-f", "json")).toEqual({
      Client: VERSION,
      Daemon: "9",
      ApiVersion: "1.43",
      Node: process.version,
    });
    expect((await run("--version")).stdout).toBe(`bay ${VERSION}\n`);
  });

  it("explain a code as a message shows it", async () => {
    const { stdout } = await run("explain", "error[no_daemon]:", "BAD_OPTION");
    expect(stdout).toMatch(/^NO_DAEMON: .+\n {2}usual causes: .+\n {2}what to do: .+\n {2}exit code 1/);
    expect(stdout).toContain("\n\nBAD_OPTION: ");
    expect(await json("explain", "--format", "json", "NO_DAEMON")).toMatchObject([{ code: "NO_DAEMON" }]);
    await rejects(
      ["explain", "NO_DEAMON"],
      'error[UNKNOWN_CODE]: unknown error code "NO_DEAMON"\n  did you mean NO_DAEMON?\n',
    );
    const all = (await run("explain")).stdout;
    expect(all).toContain("\n  NO_DAEMON ");
    expect(all).toContain("Stack files\n");
  });
});

describe("bay daemon", () => {
  it("shows whether bayd runs", async () => {
    bayd.on("GET /bay/v1/daemon", { pid: 42 });
    expect(await run("daemon", "status")).toEqual({
      code: 0,
      stdout: "bayd is running (pid 42)\n",
      stderr: "",
    });
    const nowhere = { root: at("none"), run: at("none") };
    expect(await bay(["daemon", "status"], { bayd: nowhere })).toMatchObject({
      code: 3,
      stdout: "bayd is not running\n",
    });
    bayd.on("GET /bay/v1/daemon", rejection(500, "INTERNAL", "it failed"));
    await rejects(["daemon", "status"], "error[INTERNAL]: it failed\n");
  });

  it("reads the settings again", async () => {
    const file = "/etc/bay/daemon.json";
    bayd.on("POST /bay/v1/daemon/reload", {
      file,
      changes: [{ key: "log-max-file", from: 1, to: 3 }],
      problems: [],
    });
    expect((await run("daemon", "reload")).stdout).toBe(
      "log-max-file: 1 -> 3\nthe new settings apply to connections, containers and images from now on\n",
    );
    bayd.on("POST /bay/v1/daemon/reload", { file, changes: [], problems: [] });
    expect((await run("daemon", "reload")).stdout).toBe(
      `no setting in ${file} has changed; the certificates were reloaded\n`,
    );
    bayd.on("POST /bay/v1/daemon/reload", { file, changes: [], problems: ["0.0.0.0:2376"] });
    expect(await run("daemon", "reload")).toEqual({
      code: 1,
      stdout: `no setting in ${file} has changed; the certificates were reloaded\n`,
      stderr: "warning: cannot listen on 0.0.0.0:2376; bayd retries\n",
    });
  });

  it("shows the units that would be installed, and hides passwords", async () => {
    const { code, stdout } = await bay(["daemon", "install", "--print", "--no-repair"], {
      bayd,
      env: { https_proxy: "http://me:sesame@proxy.test", http_proxy: "http://plain.test" },
    });
    expect(code).toBe(0);
    expect(stdout).toContain("# /etc/systemd/system/bay.service\n");
    expect(stdout).toContain(`BAY_ROOT=${bayd.root}`);
    expect(stdout).toContain("--no-repair");
    expect(stdout).toContain("http_proxy=http://plain.test");
    expect(stdout).not.toContain("sesame");
  });

  it("rejects a group that does not exist, and an unknown action", async () => {
    expect((await run("daemon", "install", "--print", "--group", "no-such-group")).stderr).toContain(
      "error[NO_SOCKET_GROUP]: the group no-such-group does not exist on this host",
    );
    await rejects(
      ["daemon", "dance"],
      "error[BAD_OPTION]: unknown action dance of bay daemon\n  expected run, install, uninstall, stop, reload or status\n",
    );
  });
});

describe("bay doctor", () => {
  it("reports each requirement, and how to meet it", async () => {
    const findings = (await json("doctor", "--format", "json")) as { state: string; what: string }[];
    expect(findings.map(({ what }) => what)).toEqual(
      expect.arrayContaining([
        "root",
        "kernel 5.12 or newer",
        "overlayfs",
        "cgroups",
        "libnftables1",
        "disk",
      ]),
    );
    const { code, stdout } = await run("doctor");
    expect(stdout).toMatch(/^ *WHAT +FOUND/m);
    expect(code).toBe(findings.some(({ state }) => state === "missing") ? 1 : 0);
  });
});

describe("bay completion", () => {
  it.each(["bash", "zsh", "fish"])("prints a script for %s", async (shell) => {
    expect((await run("completion", shell)).stdout).toContain(`# ${shell} completion for bay`);
  });

  it("rejects another shell", async () => {
    await rejects(
      ["completion", "tcsh"],
      "error[BAD_OPTION]: completion for tcsh is not supported\n  expected bash, zsh, fish, install or uninstall\n",
    );
  });

  it("completes names of this host and of the stack's file", async () => {
    writeFileSync(at("compose.yaml"), `${DEMO}  extra:\n    image: x\n    profiles: [more]\n`);
    bayd
      .on("GET /bay/v1/stacks", [{ name: "demo" }, { name: "shop" }])
      .on("GET /containers/json", [{ Names: ["/one"] }])
      .on("GET /images/json", [{ RepoTags: ["a:1", "b:1"] }])
      .on("GET /volumes", { Volumes: [{ Name: "data" }] })
      .on("GET /networks", [{ Name: "front" }]);
    // the shell passes the options of the line, so the directories come from the environment
    const complete = async (...typed: string[]) =>
      (
        await bay(["__complete", ...typed], {
          cwd: bayd.folder,
          env: { BAY_ROOT: bayd.root, BAY_RUN: bayd.run },
        })
      ).stdout
        .split("\n")
        .filter(Boolean)
        .map((line) => line.split("\t")[0]);
    expect(await complete("stop", "")).toEqual(["web", "db", "extra"]);
    expect(await complete("stop", "w")).toEqual(["web"]);
    expect(await complete("up", "--scale", "")).toEqual(["web=", "db=", "extra="]);
    expect(await complete("--profile", "")).toEqual(["more"]);
    expect(await complete("-p", "")).toEqual(["demo", "shop"]);
    expect(await complete("container", "diff", "")).toEqual(["web", "db", "extra", "one"]);
    expect(await complete("image", "rm", "a")).toEqual(["a:1"]);
    expect(await complete("volume", "inspect", "")).toEqual(["data"]);
    expect(await complete("network", "rm", "")).toEqual(["front"]);
    expect(await complete("cp", "")).toEqual(["web:", "db:", "extra:", ":files"]);
    expect(await complete("volu")).toEqual(["volumes", "volume"]);
    expect(await complete("stop", "--time")).toEqual(["--timeout"]);
    expect(await complete("up", "--pull", "a")).toEqual(["always"]);
    expect(await complete("up", "--pull=n")).toEqual(["--pull=never"]);
    expect(await complete("up", "--pull", "=", "n")).toEqual(["never"]);
    expect(await complete("down", "--rmi", "")).toEqual(["all", "local"]);
    expect(await complete("ps", "--format", "")).toEqual(["table", "json"]);
    expect(await complete("-f", "")).toEqual([":files"]);
    expect(await complete("--root", "")).toEqual([":folders"]);
    expect(await complete("explain", "NO_DAE")).toEqual(["NO_DAEMON"]);
    expect(await complete("exec", "web", "ls", "-")).toEqual([":files"]);
    expect(await complete("apply", "")).toEqual([":files"]);
    expect(await complete("version", "x", "")).toEqual([]);
    // stop takes any container, up needs services
    expect(await complete("-f", "absent.yaml", "stop", "")).toEqual(["one"]);
    expect(await complete("-f", "absent.yaml", "up", "")).toEqual([]);
  });
});
