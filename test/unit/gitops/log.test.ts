/** The log of a source: one line for each result of a commit. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { HealthLimit } from "../../../src/gitops/loop/health-limit.ts";
import { GitopsRecords } from "../../../src/gitops/model/records.ts";
import { type LogEntry, NEW_STATUS } from "../../../src/gitops/model/status.ts";
import { JournalStore } from "../../../src/store/index.ts";

const folder = mkdtempSync(join(tmpdir(), "bay-gitops-log-"));
const store = new JournalStore(folder);
const records = new GitopsRecords(store);
afterAll(() => {
  store.close();
  rmSync(folder, { recursive: true, force: true });
});

const entry = (outcome: LogEntry["outcome"], id: string, reason = ""): Omit<LogEntry, "number"> => ({
  at: "",
  outcome,
  commit: { id, author: "", subject: "", committedAt: "" },
  reason,
  tookMs: 0,
});

it("has no second line for a commit that is tried again with the same result", () => {
  const add = (...given: Parameters<typeof entry>) => records.note("shop", NEW_STATUS, entry(...given));
  add("applied", "a");
  add("applied", "a");
  add("drift repaired", "a");
  add("drift repaired", "a");
  add("applied", "a");
  add("refused", "b", "why");
  add("refused", "b", "why");
  add("refused", "b", "another reason");
  add("applied", "a");
  expect(records.log("shop").map(({ outcome, commit }) => `${commit!.id} ${outcome}`)).toEqual([
    "a applied",
    "a drift repaired",
    "a drift repaired",
    "b refused",
    "b refused",
    "a applied",
  ]);
});

it("limits the health of a commit only after its first change", async () => {
  const limit = new HealthLimit(1);
  expect(limit.hasBegun).toBe(false);
  expect(limit.remaining).toBe(1);
  const ended = new Promise((done) => limit.signal.addEventListener("abort", done));
  limit.begin();
  await ended;
  expect(limit.remaining).toBe(0);
});
