/** Files on a network file system that another machine changes: a real mount of sshfs, with an sshd of the test's own. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Bay, eventually } from "../support/bay.ts";
import { debianFiles } from "../support/debian-files.ts";
import { hasSshd, Sshd } from "../support/sshd.ts";
import { inContainer, treeOf, Watching } from "../support/watching.ts";

const PACKAGES = ["sshfs", "libfuse3-4", "libglib2.0-0t64", "libpcre2-8-0", "libc6"];
const sshfs: ReturnType<typeof debianFiles> = !hasSshd
  ? { missing: "sshd is not installed" }
  : existsSync("/dev/fuse")
    ? debianFiles("sshfs", PACKAGES, "usr/bin/sshfs")
    : { missing: "/dev/fuse does not exist" };

/** sshfs with the libraries of its own Debian. */
function commandOf(folder: string): string[] {
  const libraries = join(folder, "usr/lib");
  const directory = readdirSync(libraries).find((name) => name.endsWith("-linux-gnu"))!;
  const loader = readdirSync(join(libraries, directory)).find((name) => /^ld-linux.*\.so/.test(name))!;
  const path = join(libraries, directory);
  return [join(path, loader), "--library-path", path, join(folder, "usr/bin/sshfs")];
}

describe.skipIf("missing" in sshfs)(
  `a watch of files on sshfs${"missing" in sshfs ? ` (not available: ${sshfs.missing})` : ""}`,
  () => {
    const bay = new Bay();
    const sshd = new Sshd();
    const stack = join(bay.folder, "stack");
    const far = join(bay.folder, "far");
    let watching: Watching | undefined;
    let mounted: string | undefined;
    const text = (value: string) => `name: net
images: { box: { rootfs: ${bay.folder}/busybox } }
services:
  web:
    image: box
    command: sleep 100000
    stop_grace_period: 0s
    network_mode: none
    environment: { VALUE: ${value} }
    develop: { watch: [{ path: src, action: sync, target: /app, initial_sync: true }] }
`;
    /** Mounts the far directory without caches, so that a look sees what the other machine has written. */
    const mount = (place: string) => {
      const folder = "folder" in sshfs ? sshfs.folder : "";
      const options = "dir_cache=no,attr_timeout=0,entry_timeout=0,ssh_command=";
      const [program, ...words] = commandOf(folder);
      execFileSync(program!, [...words, `alias:${far}`, place, "-o", `${options}${sshd.folder}/near/ssh`]);
      mounted = place;
    };
    const inside = () => treeOf(inContainer(bay, "net-web-1", "/app"));

    beforeAll(async () => {
      bay.busybox();
      await sshd.start({});
    });
    afterEach(async () => {
      await watching?.stop();
      if (mounted) execFileSync("umount", ["-l", mounted]);
      mounted = undefined;
      bay.run(["down", "-t", "0"]);
      spawnSync("rm", ["-rf", far]);
    });
    afterAll(() => {
      sshd.stop();
      bay.close();
    });

    it("synchronises what the other machine changes, also below a local directory", async () => {
      mkdirSync(far);
      writeFileSync(join(far, "a"), "one");
      bay.write(text("one"));
      const share = join(stack, "src", "share");
      mkdirSync(share, { recursive: true });
      mount(share);
      watching = await new Watching(bay).begun();
      expect(watching.of("polling").map(({ path, reason }) => `${path}: ${reason}`)).toEqual([
        `${share}: it is on FUSE, which does not report changes of other machines`,
      ]);
      expect(readFileSync(inContainer(bay, "net-web-1", "/app/share/a"), "utf8")).toBe("one");
      writeFileSync(join(far, "a"), "two, by the other machine");
      mkdirSync(join(far, "folder"));
      writeFileSync(join(far, "folder", "b"), "three");
      await eventually(() =>
        expect(inside()).toMatchObject({
          "share/a": expect.stringContaining("two, by the other machine"),
          "share/folder/b": expect.stringContaining("three"),
        }),
      );
      // the local part has its watches
      writeFileSync(join(stack, "src", "local"), "here");
      await eventually(() => expect(inside()).toHaveProperty("local"));
      spawnSync("rm", ["-rf", join(far, "folder")]);
      await eventually(() => expect(inside()).not.toHaveProperty("share/folder"));
    });

    it("applies a stack file that the other machine changes", async () => {
      mkdirSync(join(far, "src"), { recursive: true });
      writeFileSync(join(far, "src", "a"), "one");
      writeFileSync(join(far, "bay.yaml"), text("one"));
      mkdirSync(stack, { recursive: true });
      mount(stack);
      watching = await new Watching(bay).begun();
      writeFileSync(join(far, "bay.yaml"), text("two"));
      await watching.next("applied", 0);
      expect(bay.ok("inspect", "net-web-1")).toContain("VALUE=two");
      writeFileSync(join(far, "src", "b"), "two");
      await eventually(() => expect(inside()).toHaveProperty("b"));
    });
  },
);
