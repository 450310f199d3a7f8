/** README's first command on bare Debian 12 and 13, in a chroot, whose / is no mount point. With BAY_LONG: it installs a system. */
import { execFileSync, spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sleep } from "../support/bay.ts";

const PORT = "18979";
/** All mounts are in a namespace of their own, and end with it, as the processes do. */
const ENTER = `
mount -t proc proc "$1/proc"; mount --rbind /sys "$1/sys"; mount --rbind /dev "$1/dev"; mount -t tmpfs tmpfs "$1/run"
root=$1; shift
exec chroot "$root" /usr/bin/env -i HOME=/root TERM=dumb PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin http_proxy="$http_proxy" no_proxy="$no_proxy" \${NODE_EXTRA_CA_CERTS:+NODE_EXTRA_CA_CERTS=/ca.crt} sh -c "$1"`;

describe.runIf(process.env.BAY_LONG).each([
  { suite: "trixie", needsNode: false },
  { suite: "bookworm", needsNode: true },
])("on bare Debian ($suite)", ({ suite, needsNode }) => {
  const root = mkdtempSync(join(tmpdir(), `bay-${suite}-`));
  const run = (script: string) => {
    const args = [
      "--mount",
      "--pid",
      "--fork",
      "--kill-child",
      "--propagation",
      "private",
      "sh",
      "-ec",
      ENTER,
    ];
    const { status, stdout, stderr } = spawnSync("unshare", [...args, "sh", root, script], {
      encoding: "utf8",
    });
    return { code: status, out: stdout, err: stderr };
  };

  beforeAll(() => {
    const tar = join(root, "system.tar");
    execFileSync("mmdebstrap", ["--variant=minbase", suite, tar, "http://deb.debian.org/debian"], {
      stdio: "pipe",
    });
    execFileSync("tar", ["-C", root, "-xpf", tar]);
    rmSync(tar);
    writeFileSync(join(root, "etc/dpkg/dpkg.cfg.d/unsafe-io"), "force-unsafe-io\n"); // it is thrown away
    mkdirSync(join(root, "src"));
    const files = execFileSync("git", ["ls-files", "-co", "--exclude-standard"], { encoding: "utf8" });
    execFileSync("tar", ["-C", join(root, "src"), "-xf", "-"], {
      input: execFileSync("tar", ["-cf", "-", "-T", "-"], { input: files, maxBuffer: 1 << 30 }),
    });
    for (const name of ["hosts", "resolv.conf"])
      writeFileSync(join(root, "etc", name), readFileSync(join("/etc", name)));
    const { NODE_EXTRA_CA_CERTS: certificates } = process.env;
    if (certificates) copyFileSync(certificates, join(root, "ca.crt"));
    const example = join(root, "src/examples/hello/bay.yaml");
    writeFileSync(example, readFileSync(example, "utf8").replace('"8080:8080"', `"${PORT}:8080"`));
  });

  afterAll(async () => {
    // the namespace of the last command may be going still
    for (let tries = 0; existsSync(root) && tries < 100; tries++) {
      try {
        rmSync(root, { recursive: true, force: true });
      } catch {
        await sleep(100);
      }
    }
    expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(root);
  });

  it.runIf(needsNode)("one line says how to get Node.js, and it works", () => {
    const line = /^setup: bay needs Node\.js 20\.19 or newer, and there is no node in PATH; (.*)$/m;
    const none = run("cd /src && ./scripts/quick-start.sh");
    expect([none.code, none.err]).toEqual([1, expect.stringMatching(line)]);
    const [, how = ""] = /on Debian 12 and Ubuntu: (.*)$/m.exec(none.err) ?? [];
    expect(how).toBe("apt-get install npm && npm install -g node@22");
    const [first, second] = how.split(" && ");
    const old = run(
      `DEBIAN_FRONTEND=noninteractive ${first} -y >/dev/null && cd /src && ./scripts/quick-start.sh`,
    );
    expect([old.code, old.err]).toEqual([
      1,
      expect.stringMatching(/^bay needs Node\.js 20\.19 or newer, and this is 18\./m),
    ]);
    expect(run(second!).code).toBe(0);
  });

  it("the quick start brings the example up", () => {
    const page = `node -e "fetch('http://localhost:${PORT}').then(async (answer) => console.log(await answer.text()))"`;
    const { code, out, err } = run(
      `cd /src && ./scripts/quick-start.sh && ${page} && bay -f examples/hello/bay.yaml down -v && bay daemon stop`,
    );
    expect([code, out, code === 0 ? "" : err]).toEqual([0, expect.stringContaining("visit number 1"), ""]);
  });

  it("another user is told in one line that it needs root", () => {
    const { code, err } = run("cd /src && setpriv --reuid=65534 --clear-groups ./scripts/quick-start.sh");
    expect([code, err]).toEqual([
      1,
      expect.stringMatching(/^quick-start: bay starts containers and needs root; run: sudo .*\n$/),
    ]);
  });
});
