/** What becomes of one container, as a table: the file's wish, the host's container, and the decision. */
import { describe, expect, it } from "vitest";
import {
  type ActualContainer,
  type Decision,
  decide,
  reasonText,
  type Wanted,
} from "../../../../src/reconcile/index.ts";
import { say } from "../../../../src/reconcile/model/step.ts";
import { converged } from "../../../support/actual.ts";
import { loadText } from "../../../support/stack.ts";

const { stack } = loadText("name: demo\nservices: { web: { image: app, mem_limit: 64m } }");
const CONTAINER = converged(stack).containers[0]!;
const WANTED: Wanted = {
  service: "web",
  name: "demo-web-1",
  config: CONTAINER.config,
  noRecreate: false,
  start: true,
  rerun: false,
  replace: [],
  restart: [],
};
const config = (changes: object) => ({ config: { ...CONTAINER.config, ...changes } });
const ended = (exitCode: number, policy: "no" | "on-failure" | "always" | "unless-stopped") => ({
  status: "exited" as const,
  alive: false,
  exitCode,
  ...config({ restart: { policy, maxRetries: 0 } }),
});
const text = (decision: Decision): string => {
  const reasons = "reasons" in decision ? decision.reasons.map(reasonText) : [];
  const start = decision.action === "update" && decision.start ? [`then ${reasonText(decision.start)}`] : [];
  const done = decision.action === "keep" && decision.isDone ? ["its work is done"] : [];
  return [decision.action, ...reasons, ...start, ...done].join("; ");
};

const memory = { resources: { ...CONTAINER.config.resources, memory: 128 << 20 } };
const TABLE: [string, Partial<Wanted>, Partial<ActualContainer>, string][] = [
  ["as the file says", {}, {}, "keep"],
  ["another user", config({ user: "1" }), {}, "replace; services.web.user: (none) -> 1"],
  ["another limit", config(memory), {}, "update; services.web.mem_limit: 64m -> 128m"],
  [
    "a limit and a user",
    config({ ...memory, user: "1" }),
    {},
    "replace; services.web.user: (none) -> 1; services.web.mem_limit: 64m -> 128m",
  ],
  ["another user, and --no-recreate", { ...config({ user: "1" }), noRecreate: true }, {}, "keep"],
  ["another name", { name: "other" }, {}, "replace; services.web.container_name: demo-web-1 -> other"],
  [
    "a reason from elsewhere",
    { replace: [say("its network is replaced")] },
    {},
    "replace; its network is replaced",
  ],
  ["drift", {}, { drift: ["the link is gone"] }, "update; drift: the link is gone"],
  [
    "drift, and it was stopped",
    {},
    { drift: ["x"], ...ended(0, "no"), wanted: "stopped" },
    "update; drift: x; then stopped by a user",
  ],
  ["paused", {}, { status: "paused" }, "start; drift: paused"],
  ["created", {}, { status: "created", alive: false }, "start; created but not started"],
  ["created, and --no-start", { start: false }, { status: "created", alive: false }, "keep"],
  ["bayd restarts it", {}, { status: "restarting", alive: false }, "keep"],
  ["stopped by a user", {}, { ...ended(0, "no"), wanted: "stopped" }, "start; stopped by a user"],
  ["failed", {}, ended(3, "no"), "start; drift: ended with exit code 3"],
  [
    "killed",
    {},
    { ...ended(137, "no"), endedBy: "out of memory" },
    "start; drift: ended with exit code 137 (out of memory)",
  ],
  ["done", {}, ended(0, "no"), "keep; its work is done"],
  ["done, on-failure", {}, ended(0, "on-failure"), "keep; its work is done"],
  ["ended, and should always run", {}, ended(0, "always"), "start; drift: ended with exit code 0"],
  ["done, and --rerun", { rerun: true }, ended(0, "no"), "start; --rerun: it ended with exit code 0"],
  ["runs, and --rerun", { rerun: true }, {}, "keep"],
  [
    "done, and its image changed",
    { replace: [say("the image app is rebuilt")] },
    ended(0, "no"),
    "replace; the image app is rebuilt",
  ],
  ["a dependency is replaced", { restart: [say("depends on db")] }, {}, "restart; depends on db"],
  [
    "it shares what is gone",
    {},
    { lostShares: ["shares the network of x"] },
    "restart; drift: shares the network of x",
  ],
  ["its image is not made", { config: undefined }, {}, "keep"],
];

describe("the decision for one container", () => {
  it.each(TABLE)("%s", (_, wanted, actual, expected) => {
    const container = { ...CONTAINER, ...actual };
    // what the file asks for is what the container has, but for the changes of the row
    const same = wanted.config || "config" in wanted ? {} : { config: container.config };
    expect(text(decide({ ...WANTED, ...same, ...wanted }, container))).toBe(expected);
  });
});
