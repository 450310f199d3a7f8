import { describe, expect, it } from "vitest";
import { askEach } from "../../../src/cli/ask-each.ts";
import { BayError } from "../../../src/core/errors.ts";

describe("questions about each container", () => {
  it("leave out containers that were removed in the meantime, and keep the order", async () => {
    const answers = askEach([3, 1, 2, 0], async (row) => {
      for (let turn = 0; turn < row; turn++) await new Promise(setImmediate);
      if (row === 1) throw new BayError("CONTAINER_NOT_FOUND", "No such container");
      return row;
    });
    expect(await answers).toEqual([3, 2, 0]);
  });

  it("fail with any other error", async () => {
    const ask = async () => {
      throw new BayError("DAEMON_LOST", "bayd stopped");
    };
    await expect(askEach([1], ask)).rejects.toThrow("bayd stopped");
  });

  it("are put sixteen at a time", async () => {
    let running = 0;
    let most = 0;
    const rows = Array.from({ length: 100 }, (_, index) => index);
    const answers = await askEach(rows, async (row) => {
      most = Math.max(most, ++running);
      await new Promise(setImmediate);
      running -= 1;
      return row;
    });
    expect(answers).toEqual(rows);
    expect(most).toBe(16);
  });
});
