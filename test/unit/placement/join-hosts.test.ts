import { describe, expect, it } from "vitest";
import { joinHosts } from "../../../src/placement/index.ts";
import { hostNamed, hostsNamed } from "../../support/placement.ts";

describe("the hosts of a stack", () => {
  it("are all members, in the order of their names", () => {
    expect(joinHosts("all", hostsNamed("b", "a")).hosts.map(({ name }) => name)).toEqual(["a", "b"]);
  });

  it("are the members that the file names, with its addresses and labels over their own", () => {
    const members = [hostNamed("a", { labels: { disk: "hdd", zone: "1" } }), ...hostsNamed("b", "c")];
    const { hosts, problems } = joinHosts(
      { b: { address: undefined, labels: {} }, a: { address: "10.9.9.9", labels: { disk: "ssd" } } },
      members,
    );
    expect(problems).toEqual([]);
    expect(hosts).toEqual([
      { ...members[0]!, address: "10.9.9.9", labels: { disk: "ssd", zone: "1" } },
      members[1]!,
    ]);
  });

  it("must be members: others are named, with the nearest name", () => {
    const named = { wst: { address: undefined, labels: {} }, other: { address: undefined, labels: {} } };
    expect(joinHosts(named, hostsNamed("east", "west"))).toEqual({
      hosts: [],
      problems: ["hosts.wst: wst is not a member; did you mean west?", "hosts.other: other is not a member"],
    });
  });
});
