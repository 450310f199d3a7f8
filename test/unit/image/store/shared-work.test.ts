/** Work that several callers wait for. */
import { describe, expect, it } from "vitest";
import { SharedWork } from "../../../../src/image/store/shared-work.ts";

/** Work that goes on until it is stopped or finished. */
function work() {
  let finish = (_: string) => {};
  let isStopped = false;
  let isOver = false;
  const shared = new SharedWork<string>(
    (stop) =>
      new Promise((resolve, reject) => {
        finish = resolve;
        stop.addEventListener("abort", () => {
          isStopped = true;
          reject(new Error("stopped"));
        });
      }),
    () => {
      isOver = true;
    },
  );
  return { shared, finish: (text: string) => finish(text), stopped: () => isStopped, over: () => isOver };
}

describe("shared work", () => {
  it("is stopped when the only caller leaves", async () => {
    const { shared, stopped, over } = work();
    const caller = new AbortController();
    const joined = shared.join(caller.signal);
    caller.abort();
    await expect(joined).rejects.toMatchObject({ code: "ABORTED" });
    await expect(shared.done).rejects.toThrow("stopped");
    expect([stopped(), over()]).toEqual([true, true]);
  });

  it("continues for the other callers", async () => {
    const { shared, finish, stopped } = work();
    const caller = new AbortController();
    const leaving = shared.join(caller.signal);
    const staying = shared.join(undefined);
    caller.abort();
    await expect(leaving).rejects.toMatchObject({ code: "ABORTED" });
    expect(stopped()).toBe(false);
    finish("made");
    expect(await staying).toBe("made");
  });

  it("reports its error to all callers", async () => {
    const shared = new SharedWork(
      () => Promise.reject(new Error("broken")),
      () => {},
    );
    await expect(shared.join(undefined)).rejects.toThrow("broken");
  });
});
