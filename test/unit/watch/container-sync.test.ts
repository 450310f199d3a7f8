/**
 * Files of one container, with a sender that fails in every way that bayd can: when it works again and all is quiet, the trees
 * of the host and the container are equal.
 */
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import fc from "fast-check";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { BayError } from "../../../src/core/errors.ts";
import { readBatch } from "../../../src/daemon/watch/batch-format.ts";
import { applyOperations } from "../../../src/image/archive/sync-operations.ts";
import { ContainerSync } from "../../../src/watch/container-sync.ts";
import type { WatchEvent } from "../../../src/watch/events.ts";
import { HostTree } from "../../../src/watch/host-tree.ts";
import type { Rule } from "../../../src/watch/rule.ts";
import type { RuleWatch } from "../../../src/watch/rule-watch.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { treeOf } from "../../support/watching.ts";

const folder = mkdtempSync(join(tmpdir(), "bay-container-sync-"));
const [host, container] = [join(folder, "host"), join(folder, "container")];
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() => {
  for (const path of [host, container]) {
    rmSync(path, { recursive: true, force: true });
    mkdirSync(path);
  }
});

const rule: Rule = {
  service: "web",
  index: 0,
  action: "sync",
  root: host,
  target: "/",
  initialSync: false,
  exec: undefined,
  counts: () => true,
  prunes: () => false,
  bound: [],
};

/** What a request does: it is applied up to a part of its operations, and answered, lost or refused. */
type Outcome = { part: number; answer: "result" | "lost" | "error" | "refused"; isLate: boolean };
const outcome = fc.record({
  part: fc.double({ min: 0, max: 1, noNaN: true }),
  answer: fc.constantFrom("result", "lost", "error", "refused" as const),
  isLate: fc.boolean(),
}) as fc.Arbitrary<Outcome>;

class Sender {
  outcomes: Outcome[] = [];
  /** What earlier watches have synchronised. */
  synced: string[] = [];

  json = async <T>(): Promise<T> => {
    const { answer } = this.outcomes.shift() ?? { answer: "result" };
    if (answer === "lost") throw new BayError("DAEMON_LOST", "bayd stopped during the request");
    if (answer !== "result") throw new BayError("SYNC_FAILED", "it does not work");
    return { paths: this.synced } as T;
  };

  upload = async (_method: string, _path: string, body: Readable): Promise<string> => {
    const bytes = await buffer(body);
    const { operations, bytes: contents } = readBatch(bytes);
    const { part, answer, isLate } = this.outcomes.shift() ?? { part: 1, answer: "result", isLate: false };
    if (isLate) await new Promise((resolve) => setImmediate(resolve));
    const done = answer === "result" ? operations.length : Math.floor(part * operations.length);
    const result = applyOperations(operations.slice(0, done), contents, undefined, { prefix: container });
    const cut = operations[done];
    // killed while it wrote a new file
    if (cut?.op === "file" && answer === "lost") leave(join(container, cut.path));
    if (answer === "lost") throw new BayError("DAEMON_LOST", "bayd stopped during the request");
    if (answer === "error") throw new BayError("SYNC_FAILED", "the process has ended");
    for (const { path } of operations.slice(done))
      result.failed.push({ path, code: "EIO", message: "input/output error" });
    return JSON.stringify(result);
  };
}

function leave(path: string): void {
  const hash = createHash("sha256").update(basename(path)).digest("hex").slice(0, 12);
  try {
    writeFileSync(join(dirname(path), `.bay-sync-${hash}~`), "part of it");
  } catch {
    // its directory does not exist yet
  }
}

const names = ["a", "b", "c", "a/a", "a/b", "b/a", "a/a/a", "a/a/b"];
const name = fc.constantFrom(...names);
const change = fc.oneof(
  fc.record({ kind: fc.constant("write" as const), at: name, text: fc.constantFrom("", "x", "xyz") }),
  fc.record({ kind: fc.constant("make" as const), at: name }),
  fc.record({ kind: fc.constant("remove" as const), at: name }),
  fc.record({ kind: fc.constant("move" as const), at: name, to: name }),
  fc.record({ kind: fc.constant("link" as const), at: name }),
  fc.record({ kind: fc.constant("mode" as const), at: name, mode: fc.constantFrom(0o700, 0o755) }),
);
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

function apply(each: Change): void {
  const path = join(host, each.at);
  try {
    if (each.kind === "write") writeFileSync(path, each.text);
    else if (each.kind === "make") mkdirSync(path);
    else if (each.kind === "remove") rmSync(path, { recursive: true });
    else if (each.kind === "move") renameSync(path, join(host, each.to));
    else if (each.kind === "link") symlinkSync("none", path);
    else chmodSync(path, each.mode);
  } catch {
    // it does not fit what exists
  }
}

function begin() {
  const tree = new HostTree(rule);
  tree.lookAtAll();
  const watch = { rule, tree } as RuleWatch;
  const clock = new FakeClock();
  const sender = new Sender();
  const events: WatchEvent[] = [];
  const sync = new ContainerSync(
    sender,
    { id: "1", name: "web-1", service: "web" },
    (event) => events.push(event),
    () => {},
    clock,
  );
  /** What a watch does when the kernel has reported something. */
  const look = () => {
    const { changed, suspected } = tree.lookAtAll();
    sync.add(watch, [...changed, ...suspected]);
    return sync.flush();
  };
  /** Runs timers and requests until there are none; a path that is never accepted ends it too. */
  const quiet = async () => {
    await sync.flush();
    for (let step = 0; step < 100 && clock.step(); step++) await sync.flush();
  };
  return { sync, watch, clock, sender, events, look, quiet };
}

describe("the files of one container", () => {
  it("equal the host's after any changes and failures, when all is quiet", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(change, fc.boolean(), fc.nat(400)), { maxLength: 40 }),
        fc.array(outcome, { maxLength: 20 }),
        async (changes, outcomes) => {
          for (const path of [host, container]) {
            rmSync(path, { recursive: true, force: true });
            mkdirSync(path);
          }
          const { clock, sender, look, quiet } = begin();
          sender.outcomes = outcomes;
          for (const [each, isSeen, wait] of changes) {
            apply(each);
            if (!isSeen) continue;
            const sent = look();
            // the next change comes during the request, or after it
            if (wait > 100) await sent;
            clock.advance(clock.time + wait);
          }
          await look();
          await quiet();
          expect(treeOf(container)).toEqual(treeOf(host));
        },
      ),
    );
  });

  it("are sent again until bayd takes them, with longer and longer waits, and one message", async () => {
    const { clock, sender, events, look, quiet } = begin();
    writeFileSync(join(host, "a"), "text");
    sender.outcomes = Array.from({ length: 12 }, () => ({
      part: 0,
      answer: "error" as const,
      isLate: false,
    }));
    await look();
    await quiet();
    expect(treeOf(container)).toEqual(treeOf(host));
    expect(events.map(({ type }) => type)).toEqual(["sync-failed", "sync"]);
    expect(clock.time).toBeGreaterThan(60_000);
  });

  it("are reported once if they are refused, and sent again after a time", async () => {
    const { sender, events, look, quiet } = begin();
    writeFileSync(join(host, "a"), "text");
    sender.outcomes = Array.from({ length: 3 }, () => ({
      part: 0,
      answer: "refused" as const,
      isLate: false,
    }));
    await look();
    await quiet();
    expect(treeOf(container)).toEqual(treeOf(host));
    expect(events).toMatchObject([{ type: "sync-failed", path: "/a", more: 0 }, { type: "sync" }]);
  });

  it("are waited for while bayd is away, and not longer than some failures otherwise", async () => {
    const { sync, clock, sender, look } = begin();
    writeFileSync(join(host, "a"), "text");
    sender.outcomes = Array.from({ length: 100 }, () => ({
      part: 0,
      answer: "lost" as const,
      isLate: false,
    }));
    await look();
    let isSettled = false;
    const settled = sync.settle().then(() => {
      isSettled = true;
    });
    for (let step = 0; step < 15; step++) {
      clock.step();
      await sync.flush();
    }
    expect(isSettled).toBe(false);
    sender.outcomes = Array.from({ length: 100 }, () => ({
      part: 0,
      answer: "error" as const,
      isLate: false,
    }));
    while (!isSettled && clock.step()) await sync.flush();
    await settled;
    expect(sender.outcomes.length).toBeGreaterThan(80);
  });

  it("are removed if an earlier watch has synchronised them, and not if they are the container's own", async () => {
    const { sync, watch, sender, quiet } = begin();
    for (const at of ["kept", "removed", "own", "ignored"]) writeFileSync(join(container, at), "text");
    mkdirSync(join(container, "folder"));
    writeFileSync(join(container, "folder", "removed"), "text");
    writeFileSync(join(host, "kept"), "text");
    watch.tree.lookAtAll();
    watch.rule.counts = (path) => path !== "ignored";
    sender.synced = ["/kept", "/removed", "/ignored", "/folder", "/folder/removed", "/gone/long/ago"];
    sender.outcomes = ["lost", "error", "lost"].map(
      (answer) => ({ part: 0, isLate: false, answer }) as Outcome,
    );
    sync.addAll(watch);
    await quiet();
    expect(Object.keys(treeOf(container)).sort()).toEqual(["ignored", "kept", "own"]);
    watch.rule.counts = () => true;
  });

  it("are not sent for a rule that was dropped during a request, or to a container that is gone", async () => {
    const { sync, watch, clock, sender, look, quiet } = begin();
    writeFileSync(join(host, "a"), "text");
    sender.outcomes = [{ part: 0, answer: "lost", isLate: true }];
    const sent = look();
    sync.drop(watch);
    await sent;
    await quiet();
    expect(treeOf(container)).toEqual({});
    expect(clock.isIdle).toBe(true);
  });
});
