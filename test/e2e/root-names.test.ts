/** bay's directories may have any name: signs that overlayfs, a shell or systemd read in their own way. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bay } from "../support/bay.ts";

describe("directories of bay with signs in their names", () => {
  const bay = new Bay();
  const hard = join(bay.folder, `a b,c:d\\e 50% $HOME "x'; #`);
  bay.env.BAY_ROOT = join(hard, "root");
  bay.env.BAY_RUN = join(hard, "run");

  beforeAll(() => {
    bay.busybox();
    bay.write(`name: hard
images: { box: { rootfs: ../busybox } }
services:
  a: { image: box, init: true, command: [sleep, "1000"], stop_grace_period: 0s, volumes: ["v:/v"] }
volumes: { v: }
`);
    bay.ok("up", "-d");
  });
  afterAll(() => bay.close());

  it("start a container, and run commands in it", () => {
    expect(bay.ok("exec", "-T", "a", "sh", "-c", "echo one > /v/file; echo two > /own; cat /v/file")).toBe(
      "one\n",
    );
  });

  it("copy from a container that is stopped", () => {
    bay.ok("stop", "a");
    bay.ok("cp", "a:/own", join(bay.folder, "own"));
    bay.ok("start", "a");
  });

  it("build, with files of another image", () => {
    bay.write(
      "FROM box\nCOPY --from=box /bin/busybox /copied\nRUN --mount=type=bind,from=box,target=/other,rw true\n",
      "Dockerfile",
    );
    bay.ok("image", "build", "-t", "built:1", ".");
  });

  it("back a volume up and restore it", () => {
    bay.ok("volume", "backup", "hard_v", "-o", join(bay.folder, "v.tar"));
    bay.ok("volume", "restore", "copy", "-i", join(bay.folder, "v.tar"));
  });
});
