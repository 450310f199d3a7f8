/** Images of Debian packages, made by mmdebstrap: what they share, what is shown, and what is left when they are cancelled. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { Bay, ended, eventually } from "../support/bay.ts";

describe("images of Debian packages", () => {
  const bay = new Bay();
  const kept = join(bay.folder, "root", "apt");
  afterAll(() => bay.close());
  const names = () => readdirSync(kept).sort();
  const stack = (...packages: string[]) =>
    bay.write(
      `name: apt
images:
${packages.map((name, index) => `  i${index}: { apt: { suite: bookworm, packages: [${name}] } }\n`).join("")}services:
${packages.map((_, index) => `  s${index}: { image: i${index}, command: sleep 1000, network_mode: none, stop_grace_period: 0s }\n`).join("")}`,
    );
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
    const up = bay.start(["up", "-d"]);
    const over = ended(up);
    await eventually(() => expect(running().length).toBeGreaterThan(0));
    bay.ok("daemon", "stop");
    await over;
    await eventually(() => expect(running()).toEqual([]));
    expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(join(bay.folder, "root"));
    bay.ok("image", "ls"); // the next bayd sweeps
    expect(temporary()).toEqual([]);
  });

  it("are made from one base for each suite, with their packages kept, and show what is done", async () => {
    stack("hello", "sl");
    const { code, err, out } = await bay.call(["up", "-d"]);
    expect([code, err]).toEqual([0, expect.anything()]);
    expect(`${out}${err}`).toMatch(/image i0 (making|updating|downloading|extracting|installing|creating) /);
    expect(names()).toEqual([
      expect.stringMatching(/^base-[0-9a-f]{16}\.tar$/),
      expect.stringMatching(/^packages-[0-9a-f]{16}$/),
    ]);
    const [base = "", packages = ""] = names();
    expect(readdirSync(join(kept, packages)).filter((name) => /^(hello|sl)_/.test(name)).length).toBe(2);
    const before = statSync(join(kept, base)).mtimeMs;
    expect(bay.ok("exec", "-T", "s0", "hello", "-g", "made")).toBe("made\n");
    // another image of the suite takes the base as it is
    stack("hello", "sl", "tini");
    bay.ok("up", "-d");
    expect(
      bay.ok("exec", "-T", "s2", "sh", "-c", "test -x /usr/bin/tini && cat /var/log/dpkg.log | wc -l"),
    ).toBe("0\n");
    expect(statSync(join(kept, base)).mtimeMs).toBe(before);
    expect(names().length).toBe(2);
    bay.ok("builder", "prune", "-a", "-f");
    expect(names()).toEqual([]);
  });
});
