import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it, vi } from "vitest";
import { isKeeperAlive, keptProcess, startKeeper } from "../../../src/linux/launch/keeper.ts";
import { startSocketKeeper } from "../../../src/linux/launch/socket-keeper.ts";

const folder = mkdtempSync(join(tmpdir(), "bay-keepers-"));
afterAll(() => rmSync(folder, { recursive: true }));

const runs = (pid: number) =>
  existsSync(`/proc/${pid}/stat`) && !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");

// systemd sends it at the end of a session and of the host's shutdown, and waits 90 s for who blocks it
it("SIGTERM ends the keeper of bayd, and SIGHUP does not", async () => {
  const file = join(folder, "keeper");
  startKeeper({ file, args: ["/bin/sleep", "1000"], env: [], logFile: join(folder, "log") });
  const parent = () =>
    Number(/^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${keptProcess(file)}/status`, "utf8"))![1]);
  await vi.waitFor(() => expect(keptProcess(file)).toBeGreaterThan(0), { timeout: 300_000 });
  const [keeper, child] = [parent(), keptProcess(file)];
  process.kill(keeper, "SIGHUP");
  process.kill(child, "SIGKILL");
  await vi.waitFor(() => expect(keptProcess(file)).not.toBe(child), { timeout: 300_000 });
  const last = keptProcess(file);
  process.kill(keeper, "SIGTERM");
  await vi.waitFor(() => expect(isKeeperAlive(file)).toBe(false), { timeout: 300_000 });
  process.kill(last, "SIGKILL");
});

it("SIGTERM ends the keeper of sockets", async () => {
  const { pid } = startSocketKeeper(join(folder, "sockets"), []);
  expect(runs(pid)).toBe(true);
  process.kill(pid, "SIGTERM");
  await vi.waitFor(() => expect(runs(pid)).toBe(false), { timeout: 300_000 });
});
