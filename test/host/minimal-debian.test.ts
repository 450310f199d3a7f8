/** What bay gives the kernel on a Debian without the package netbase, which has /etc/protocols and /etc/services. */
import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { renderGuard } from "../../src/network/rules/spoofing.ts";

/** nft in namespaces of its own, where these files are empty. */
const nftWithoutNames = (input: string) => {
  const script = "mount --bind /dev/null /etc/protocols; mount --bind /dev/null /etc/services; exec nft -f -";
  const { status, stderr } = spawnSync("unshare", ["--mount", "--net", "sh", "-ec", script], {
    input,
    encoding: "utf8",
  });
  return { status, stderr };
};

describe("without /etc/protocols", () => {
  it("nft accepts the rules against spoofing", () => {
    expect(nftWithoutNames(renderGuard("1"))).toEqual({ status: 0, stderr: "" });
  });

  it("nft does not know the names of protocols, so the test can fail", () => {
    const rule = "add table ip t; add chain ip t c; add rule ip t c meta l4proto ipv6-icmp accept";
    expect(nftWithoutNames(rule).stderr).toContain("Could not resolve protocol name");
  });
});
