import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { routeFinding } from "../../../../src/cli/commands/system/route-check.ts";

let conf: string;
const setInterface = (name: string, rpFilter: string, forwarding = "1") => {
  mkdirSync(join(conf, name));
  writeFileSync(join(conf, name, "rp_filter"), `${rpFilter}\n`);
  writeFileSync(join(conf, name, "forwarding"), `${forwarding}\n`);
};
beforeEach(() => {
  conf = mkdtempSync(join(tmpdir(), "bay-conf-"));
  setInterface("default", "1");
});
afterEach(() => rmSync(conf, { recursive: true }));

it("is content with loose filters", () => {
  setInterface("all", "0");
  setInterface("eth0", "2");
  expect(routeFinding(conf)).toMatchObject({ state: "ok", found: "rp_filter is off or loose" });
});

it("names interfaces with a strict filter, by the larger value", () => {
  setInterface("all", "1");
  setInterface("eth0", "0");
  setInterface("eth1", "2");
  expect(routeFinding(conf).found).toBe(
    "rp_filter is strict on eth0: packets must arrive on the interface of the route to their sender",
  );
});

it("warns of interfaces that do not forward, if the host does", () => {
  setInterface("all", "0");
  setInterface("eth0", "0", "0");
  setInterface("bay12345-abcdef", "0", "0");
  expect(routeFinding(conf)).toMatchObject({ state: "warning", found: "forwarding is off on eth0" });
});
