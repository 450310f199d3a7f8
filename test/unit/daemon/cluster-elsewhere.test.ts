/** Which requests concern other hosts. */
import type { IncomingMessage } from "node:http";
import { describe, expect, it } from "vitest";
import { Elsewhere } from "../../../src/daemon/cluster/elsewhere.ts";
import type { Cluster } from "../../../src/host/index.ts";

const id = "c".repeat(64);

function elsewhere({ isMember = true } = {}): Elsewhere {
  const others = [{ id: "2", name: "b" }];
  const membership = {
    self: isMember ? { id: "1", name: "a" } : undefined,
    members: others,
    others,
    require: (name: string) => {
      const found = others.find((each) => each.name === name);
      if (!found) throw Object.assign(new Error("none"), { code: "HOST_NOT_FOUND" });
      return found;
    },
  };
  const remoteContainers = () => [{ id, name: "shop-web-1", host: "b" }];
  return new Elsewhere({ membership, remoteContainers } as unknown as Cluster, (name) => name === "here");
}

const asked = (url: string) => ({ url, method: "POST" }) as IncomingMessage;

describe("requests for other hosts", () => {
  it.each([
    ["/bay/v1/hosts/b/api/containers/json", true],
    ["/bay/v1/cluster/api/containers/shop-web-1/attach", true],
    [`/bay/v1/cluster/api/containers/${id.slice(0, 12)}/attach?stream=1`, true],
    [`/bay/v1/cluster/api/v1.44/containers/${id}/attach`, true],
    ["/bay/v1/cluster/api/containers/here/attach", false],
    ["/bay/v1/cluster/api/containers/ccc/attach", false],
    ["/bay/v1/cluster/api/containers/unknown/attach", false],
    ["/bay/v1/hosts/b", false],
    ["/containers/shop-web-1/attach", false],
    ["//", false],
  ])("%s: %s", (url, isElsewhere) => {
    expect(elsewhere().concerns(asked(url))).toBe(isElsewhere);
  });

  it("a request that this host serves after all loses the prefix", () => {
    const request = asked("/bay/v1/cluster/api/containers/here/start");
    elsewhere().concerns(request);
    expect(request.url).toBe("/containers/here/start");
    const alone = asked("/bay/v1/cluster/api/containers/shop-web-1/start");
    expect(elsewhere({ isMember: false }).concerns(alone)).toBe(false);
    expect(alone.url).toBe("/containers/shop-web-1/start");
  });

  it.each([
    "/bay/v1/hosts/%zz/api/info",
    "/bay/v1/cluster/api/containers/%/json",
  ])("%s is a bad request, and not an error of bayd", async (url) => {
    expect(() => elsewhere().concerns(asked(url))).toThrow(/invalid escape/);
    await expect(elsewhere().serve(asked(url), {} as never)).rejects.toMatchObject({ code: "BAD_REQUEST" });
  });
});
