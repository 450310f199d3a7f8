/** Images of Debian packages, made by mmdebstrap: what they share, what is shown, and what is left after a cancellation. */
import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { keepAptBases } from "../support/apt-bases.ts";
import { Bay, ended, eventually } from "../support/bay.ts";
import { isLong } from "../support/long.ts";

describe("images of Debian packages", () => {
  const bay = new Bay();
  const kept = join(bay.folder, "root", "apt");
  afterAll(() => bay.close());
  const names = () => readdirSync(kept).sort();
  const packages = () => readdirSync(join(kept, "packages"));
  /** One image and one service for each list of packages. */
  const stack = (...lists: string[]) =>
    bay.write(
      `name: apt
images:
${lists.map((list, index) => `  i${index}: { apt: { suite: bookworm, packages: [${list}] } }\n`).join("")}services:
${lists.map((_, index) => `  s${index}: { image: i${index}, command: sleep 1000, network_mode: none, stop_grace_period: 0s }\n`).join("")}`,
    );
  const up = async () => {
    const { code, out, err } = await bay.call(["up", "-d"]);
    expect([code, code === 0 ? "" : `${out}${err}`]).toEqual([0, ""]);
    return `${out}${err}`;
  };
  const temporary = () =>
    readdirSync(join(bay.folder, "root", "layers"))
      .concat(readdirSync(kept))
      .filter((name) => name.startsWith("."));
  const running = () =>
    readdirSync("/proc").filter((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, "utf8");
        return words.includes("mmdebstrap") && words.includes(bay.folder);
      } catch {
        return false; // not a process, or it has ended
      }
    });

  it("end with bayd, and leave no process, mount or file", async () => {
    stack("hello");
    const child = bay.start(["up", "-d"]);
    const over = ended(child);
    await eventually(() => expect(running().length).toBeGreaterThan(0));
    bay.ok("daemon", "stop");
    await over;
    await eventually(() => expect(running()).toEqual([]));
    expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(join(bay.folder, "root"));
    bay.ok("image", "ls"); // the next bayd sweeps
    expect(temporary()).toEqual([]);
  });

  it("end with a bayd that is killed; the next one makes them at once, of one base, and shows what is done", async () => {
    const child = bay.start(["up", "-d"]);
    const over = ended(child);
    await eventually(() => expect(running().length).toBeGreaterThan(0));
    process.kill(bay.daemonPid(), "SIGKILL");
    await over;
    await eventually(() => expect(running()).toEqual([]));
    // the next one makes two images at once
    stack("hello", "ca-certificates");
    expect(await up()).toMatch(
      /image i\d (making|building|updating|downloading|extracting|installing|creating) /,
    );
    expect(names()).toEqual([expect.stringMatching(/^base-[0-9a-f]{16}-[0-9a-f]{64}\.tar$/), "packages"]);
    expect(temporary()).toEqual([]);
    keepAptBases(bay);
    expect(packages().filter((name) => /^(hello|ca-certificates)_/.test(name)).length).toBe(2);
    expect(bay.ok("exec", "-T", "s0", "hello", "-g", "made")).toBe("made\n");
    // its script needs standard error
    const certificates = "grep -c BEGIN /etc/ssl/certs/ca-certificates.crt";
    expect(Number(bay.ok("exec", "-T", "s1", "sh", "-c", certificates))).toBeGreaterThan(50);
    const df = bay.ok("system", "df", "-v");
    expect(df).toContain("a base of apt: images");
    expect(df).toContain("Debian packages of apt: images");
  });

  it("take the base as it is", async () => {
    const [base = ""] = names();
    const before = statSync(join(kept, base)).ino;
    stack("hello", "ca-certificates", "tini");
    expect(await up()).not.toContain("building the base");
    expect(
      bay.ok("exec", "-T", "s2", "sh", "-c", "test -x /usr/bin/tini && cat /var/log/dpkg.log | wc -l"),
    ).toBe("0\n");
    expect(statSync(join(kept, base)).ino).toBe(before);
  });

  it.runIf(isLong)("make the base again where it is damaged, with the same bytes", async () => {
    const [base = ""] = names();
    truncateSync(join(kept, base), 10_000_000);
    stack("hello", "ca-certificates", "tini", "dumb-init");
    await up();
    expect(names()).toEqual([base, "packages"]);
    expect(statSync(join(kept, base)).size).toBeGreaterThan(10_000_000);
    expect(bay.ok("exec", "-T", "s3", "dumb-init", "echo", "made")).toBe("made\n");
  });

  it("say which package does not exist", async () => {
    stack("no-such-package-here");
    const { code, err } = await bay.call(["up", "-d"]);
    expect(code).toBe(1);
    expect(err).toContain("Unable to locate package no-such-package-here");
    expect(temporary()).toEqual([]);
  });

  it("use no package that is damaged", async () => {
    const hello = packages().find((name) => name.startsWith("hello_")) ?? "";
    const file = join(kept, "packages", hello);
    const { size, ino } = statSync(file);
    writeFileSync(file, Buffer.alloc(size)); // apt itself looks at the size alone
    stack("hello, tini");
    await up();
    expect(bay.ok("exec", "-T", "s0", "hello", "-g", "made")).toBe("made\n");
    expect(statSync(file).ino).not.toBe(ino);
    bay.ok("builder", "prune", "-a", "-f");
    expect(names()).toEqual([]);
  });
});
