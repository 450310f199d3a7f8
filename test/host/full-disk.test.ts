/** A full disk: every command says so, what frees room works, and nothing half stays. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { COMMAND } from "../support/bay.ts";

/** In a mount namespace, so that the small disk is this bay's alone. Each command's output and code are in a section. */
const SCRIPT = `
mkdir "$1/disk" && mount -t tmpfs -o size=24m tmpfs "$1/disk" && cd "$1" || exit 1
export BAY_ROOT=$1/disk/root BAY_RUN=$1/run
bay() { "$NODE" "$COMMAND" "$@"; }
section() { echo "== $1"; shift; "$@" 2>&1; echo "code $?"; }
mkdir -p box/bin && cp /bin/busybox box/bin && tar -C box -czf base.tgz .
dd if=/dev/urandom of=large.bin bs=1M count=15 2>/dev/null && tar -cf large.tar large.bin
section base bay image import base.tgz base:1
section large bay image import large.tar large:1
dd if=/dev/zero of=disk/fill bs=1M count=100 2>/dev/null
section import bay image import base.tgz base:2
section info bay info
section tag bay image tag base:1 base:tagged
section tagged bay image inspect base:tagged
bay image rm base:tagged >/dev/null
section remove bay image rm base:1
dd if=/dev/zero of=disk/fill bs=1M count=100 oflag=append conv=notrunc 2>/dev/null
section prune bay image prune -a -f
section list bay image ls -q
rm -f disk/fill
section again bay image import base.tgz base:3
section left find disk/root/layers disk/root/blobs disk/root/index.json disk/root/state -name '*.new' -o -name '.*-*'
cat > bay.yaml <<'Y'
name: full
images: { box: { rootfs: ./box } }
services: { a: { image: box, init: true, command: ["/bin/busybox", sleep, "1000"] } }
Y
section up bay up -d
eat() { for i in 1 2 3 4 5 6 7 8; do dd if=/dev/zero of="disk/fill$1$i" bs=4k 2>/dev/null; done; }
eat 0
: > disk/root/state/reserve
eat 1
section run bay run --rm -T a /bin/busybox true
section ps bay ps -a -q
section replace bay up -d --force-recreate
section output bay export a -o disk/out.tar
section stop bay stop -t 0 a
section start bay start a
rm -f disk/fill*
section down bay down -v
section rest bay ps -a -q
bay daemon stop >/dev/null
`;

describe("a full disk", () => {
  const folder = mkdtempSync(join(tmpdir(), "bay-full-"));
  const sections = new Map<string, string>();
  beforeAll(() => {
    const { stdout } = spawnSync("unshare", ["-m", "sh", "-c", SCRIPT, "sh", folder], {
      env: { ...process.env, NODE: process.execPath, COMMAND, NO_COLOR: "1" },
      encoding: "utf8",
      timeout: 240_000,
    });
    for (const part of stdout.split(/^== /m).slice(1)) {
      const end = part.indexOf("\n");
      sections.set(part.slice(0, end), part.slice(end + 1));
    }
  }, 300_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const section = (name: string) => sections.get(name) ?? "";

  it.each(["large", "import"])("is reported with its path and with the command that frees it: %s", (name) => {
    expect(section("base")).toContain("code 0");
    expect(section(name)).toContain("code 1");
    expect(section(name)).toContain(`${folder}/disk/root`);
    expect(section(name)).toMatch(/full/);
    expect(section(name)).toContain("bay system prune");
  });

  it("is shown by bay info", () => {
    expect(section("info")).toContain("(full)");
    expect(section("info")).toMatch(/^warning: .*full/m);
  });

  it("gives an image a name whole, or not at all", () => {
    const [, tag] = /code (\d+)\n$/.exec(section("tag"))!;
    expect(section("tagged")).toContain(`code ${tag}\n`);
  });

  it.each(["remove", "prune"])("does not prevent freeing space: %s", (name) => {
    expect(section(name)).toContain("code 0");
  });

  it("without a reserve keeps no container that was not created, and knows which have ended", () => {
    expect(section("up")).toContain("code 0");
    const [id, code] = section("ps").trimEnd().split("\n");
    expect([id, code]).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/), "code 0"]);
    expect(section("stop")).not.toContain("does not stop");
    expect(section("stop")).toContain("code 0");
    for (const name of ["run", "start", "output", "replace"]) {
      expect(section(name)).toContain(name === "output" ? "name a file on another disk" : "bay system prune");
      expect(section(name)).toMatch(/the disk of \S+ (is|was) full/);
      expect(section(name)).toContain("code 1");
    }
    expect(section("down")).toContain("code 0");
    expect(section("rest")).toBe("code 0\n");
  });

  it("leaves nothing incomplete, and bay works when there is space again", () => {
    expect(section("list")).toBe("code 0\n");
    expect(section("again")).toContain("code 0");
    expect(section("left")).toBe("code 0\n");
  });
});
