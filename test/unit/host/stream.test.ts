/** The stream between hosts: whatever happens to its messages, a receiver has what the publisher has, or asks again. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseMessage, type SharedContainer, type StreamMessage } from "../../../src/host/stream/messages.ts";
import { ContainerPublisher } from "../../../src/host/stream/publisher.ts";
import { ContainerReceiver } from "../../../src/host/stream/receiver.ts";

const container = (number: number, health = "healthy"): SharedContainer => ({
  id: number.toString(16).padStart(64, "0"),
  name: `web-${number}`,
  status: "running",
  health,
  endpoints: [{ network: "net", address: "10.0.0.2", mac: "02:42:0a:00:00:02", aliases: ["web"] }],
});

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("the stream of a host's containers", () => {
  it("a message survives its way as text; anything else is no message", () => {
    const message: StreamMessage = { kind: "change", number: 3, set: [container(1)], removed: [] };
    expect(parseMessage(JSON.stringify(message))).toEqual(message);
    for (const text of ["", "{", "null", '{"kind":"change"}', '{"kind":"state","number":-1,"containers":[]}'])
      expect(parseMessage(text)).toBeUndefined();
    const wrong = {
      ...message,
      set: [{ ...container(1), endpoints: [{ network: "n", address: "x", mac: "y" }] }],
    };
    expect(parseMessage(JSON.stringify(wrong))).toBeUndefined();
  });

  it("a state larger than one part replaces everything when its last part is there", async () => {
    const all = Array.from({ length: 1201 }, (_, index) => container(index));
    const receiver = new ContainerReceiver();
    receiver.restore([container(99_999)]);
    const parts: StreamMessage[] = [];
    new ContainerPublisher(() => all).follow((message) => parts.push(message));
    expect(parts).toHaveLength(3);
    expect(receiver.take(parts[0]!)).toBe("same");
    expect(receiver.containers).toHaveLength(1);
    receiver.take(parts[1]!);
    expect(receiver.take(parts[2]!)).toBe("changed");
    expect(receiver.containers).toEqual(all);
  });

  it("only what changed is sent", async () => {
    let list = [container(1), container(2)];
    const sent: StreamMessage[] = [];
    const publisher = new ContainerPublisher(() => list);
    publisher.follow((message) => sent.push(message));
    list = [container(1), container(3)];
    publisher.refresh();
    publisher.refresh();
    await turn();
    expect(sent.slice(1)).toEqual([
      { kind: "change", number: 2, set: [container(3)], removed: [container(2).id] },
    ]);
    publisher.refresh();
    await turn();
    expect(sent).toHaveLength(2);
  });

  it("lost, repeated and reordered messages are noticed, and a whole state follows", async () => {
    const lists = fc.array(fc.uniqueArray(fc.nat(8), { maxLength: 6 }), { minLength: 1, maxLength: 8 });
    const faults = fc.array(fc.constantFrom("pass", "lose", "repeat", "swap"), {
      minLength: 8,
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(lists, faults, async (states, wrong) => {
        let list: SharedContainer[] = [];
        const publisher = new ContainerPublisher(() => list);
        const receiver = new ContainerReceiver();
        let stop = () => {};
        let queue: StreamMessage[] = [];
        const connect = () => {
          stop();
          queue = [];
          receiver.begin();
          stop = publisher.follow((message) => queue.push(message));
        };
        const deliver = () => {
          for (const message of queue.splice(0))
            if (receiver.take(message) === "gap") {
              connect();
              for (const fresh of queue.splice(0)) receiver.take(fresh);
              return;
            }
        };
        connect();
        deliver();
        for (const [index, state] of states.entries()) {
          list = state.map((number) => container(number, String(index)));
          publisher.refresh();
          await turn();
          const fault = wrong[index % wrong.length];
          if (fault === "lose") queue.shift();
          if (fault === "repeat" && queue[0]) queue.unshift(queue[0]);
          if (fault === "swap") queue.reverse();
          deliver();
        }
        // a heartbeat tells of a message that was lost at the end
        queue.push(publisher.heartbeat());
        deliver();
        const sorted = (all: readonly SharedContainer[]) => [...all].sort((a, b) => (a.id < b.id ? -1 : 1));
        expect(sorted(receiver.containers)).toEqual(sorted(list));
        stop();
      }),
    );
  });
});
