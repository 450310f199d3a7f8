/** One change of a stack at a time. */
import { describe, expect, it } from "vitest";
import { StackLocks } from "../../../../src/daemon/stacks/stack-locks.ts";

function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

describe("locks of stacks", () => {
  it("the second waits for the first, and gets its name", async () => {
    const locks = new StackLocks();
    const { open, opened } = gate();
    const told: string[] = [];
    const order: string[] = [];
    const first = locks.take("a", { what: "up", pid: 7 }, async () => {
      await opened;
      order.push("first");
    });
    await Promise.resolve();
    const second = locks.take("a", { what: "down", tell: (text) => told.push(text) }, async () => {
      order.push("second");
    });
    await locks.take(
      "b",
      { what: "up", tell: (text) => told.push(text) },
      async () => void order.push("other"),
    );
    open();
    await Promise.all([first, second]);
    expect(order).toEqual(["other", "first", "second"]);
    expect(told).toEqual(["waiting for bay up (pid 7) on the stack a"]);
  });

  it("a failure releases the stack, and a command whose client has disconnected does nothing", async () => {
    const locks = new StackLocks();
    const { open, opened } = gate();
    const gone = new AbortController();
    const first = locks.take("a", { what: "up" }, async () => {
      await opened;
      throw new Error("broken");
    });
    const ran: string[] = [];
    const second = locks.take("a", { what: "up", signal: gone.signal }, async () => void ran.push("second"));
    const third = locks.take("a", { what: "up" }, async () => void ran.push("third"));
    gone.abort();
    open();
    await expect(first).rejects.toThrow("broken");
    await expect(second).rejects.toMatchObject({ code: "ABORTED" });
    await third;
    expect(ran).toEqual(["third"]);
  });
});
