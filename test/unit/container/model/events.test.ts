/** The events that are kept for `since`: their number, their size, and the length of an action. */
import { describe, expect, it } from "vitest";
import { EventLog } from "../../../../src/container/model/events.ts";
import { LIMITS } from "../../../../src/core/limits.ts";

const { keptEvents, keptEventSize, eventAction } = LIMITS.request;
const actionsOf = (log: EventLog) => log.since(0).map(({ action }) => action);

describe("the event log", () => {
  it.each(["a", "é", "€", "😀"])("shortens the action of a long command of %s at a character", (sign) => {
    for (const start of ["", "x", "xy", "xyz"]) {
      const log = new EventLog();
      const action = `exec_create: ${start}${sign.repeat(1 << 19)}`;
      log.publish("container", action, "id");
      const [kept] = actionsOf(log);
      expect(Buffer.byteLength(kept!)).toBeLessThanOrEqual(eventAction);
      expect(Buffer.byteLength(kept!)).toBeGreaterThan(eventAction - 8);
      expect(kept!.endsWith("…")).toBe(true);
      expect(action.startsWith(kept!.slice(0, -1))).toBe(true);
    }
  });

  it("keeps an action of the greatest length as it is", () => {
    const log = new EventLog();
    log.publish("container", "a".repeat(eventAction), "id");
    expect(actionsOf(log)).toEqual(["a".repeat(eventAction)]);
  });

  it("keeps the events of the life of containers while clients run many commands", () => {
    const log = new EventLog();
    log.publish("container", "create", "id");
    for (let count = 0; count < 2 * keptEvents; count++)
      log.publish("container", `exec_start: ${count}`, "id");
    log.publish("container", "die", "id");
    const kept = actionsOf(log);
    expect(kept).toHaveLength(keptEvents + 2);
    expect([kept[0], kept[1], kept.at(-2), kept.at(-1)]).toEqual([
      "create",
      `exec_start: ${keptEvents}`,
      `exec_start: ${2 * keptEvents - 1}`,
      "die",
    ]);
  });

  it("keeps fewer events if their attributes are long", () => {
    const log = new EventLog();
    const label = "a".repeat(keptEventSize / 4);
    for (let count = 0; count < 10; count++) log.publish("container", `start${count}`, "id", { label });
    expect(actionsOf(log)).toEqual(["start7", "start8", "start9"]);
  });
});
