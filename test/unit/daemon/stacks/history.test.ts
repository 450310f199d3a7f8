/** Revisions of a stack: what is a new one. */
import { describe, expect, it } from "vitest";
import { History } from "../../../../src/daemon/stacks/history.ts";
import { MemoryStore } from "../../../support/memory-store.ts";
import { loadText } from "../../../support/stack.ts";

const stackAt = (directory: string, image = "x") => ({
  ...loadText(`services: { a: { image: "${image}" } }`).stack,
  name: "moved",
  directory,
  files: [`${directory}/bay.yaml`],
});
const ALL = { services: undefined };

describe("the history of a stack", () => {
  it("has no new revision for a stack whose files only moved, and knows where they are now", () => {
    const history = new History(new MemoryStore());
    history.note(stackAt("/one"), { x: "id" }, ALL);
    history.note(stackAt("/two"), { x: "id" }, ALL);
    const all = history.list("moved");
    expect(all.map(({ number, stack }) => [number, stack.directory])).toEqual([[1, "/two"]]);
    expect(history.get("moved", 1).stack.files).toEqual(["/two/bay.yaml"]);
  });

  it("has one for a change of the stack or of its images, and for containers that were replaced", () => {
    const history = new History(new MemoryStore());
    history.note(stackAt("/one"), { x: "id" }, ALL);
    history.note(stackAt("/one", "y"), { y: "id" }, ALL);
    history.note(stackAt("/one", "y"), { y: "other" }, ALL);
    history.note(stackAt("/two", "y"), { y: "other" }, { ...ALL, recreated: ["a"] });
    expect(history.list("moved").map(({ number }) => number)).toEqual([1, 2, 3, 4]);
  });
});
