/** What the containers of a stack need and the host does not have. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { missingOn } from "../../../../src/daemon/stacks/missing.ts";
import type { Stack } from "../../../../src/stack/index.ts";

const bind = (source: string, createSource: boolean) => ({
  type: "bind",
  source,
  createSource,
  target: "/x",
});
const service = (name: string, given: object) => ({
  name,
  mounts: [],
  devices: [],
  networkMode: "bridge",
  ipcMode: "private",
  pidMode: "private",
  ...given,
});

it("names each source that does not exist or cannot be created, by service", async () => {
  const folder = mkdtempSync(join(tmpdir(), "missing-"));
  const file = join(folder, "file");
  writeFileSync(file, "");
  const services = [
    service("good", {
      mounts: [bind(folder, false), bind(join(folder, "a/b"), true), bind("/var/run/docker.sock", false)],
      devices: [{ source: "/dev/null" }],
    }),
    service("bind", { mounts: [bind(join(folder, "none"), false)] }),
    service("made", { mounts: [bind(join(file, "x/y"), true)] }),
    service("device", { devices: [{ source: "/dev/none" }] }),
    service("volume", {
      mounts: [
        { type: "volume", source: "v" },
        { type: "volume", source: "w" },
      ],
    }),
    service("joined", { networkMode: "container:none" }),
  ];
  const stack = {
    name: "demo",
    services: Object.fromEntries(services.map((each) => [each.name, each])),
    volumes: { v: { device: file }, w: { device: join(folder, "none") } },
  } as unknown as Stack;
  expect(await missingOn(stack, [])).toEqual({
    bind: [expect.stringContaining(`services.bind.volumes: ${folder}/none does not exist; create it`)],
    made: [`services.made.volumes: ${file}/x/y cannot be created: ${file} is not a directory`],
    device: ["services.device.devices: /dev/none does not exist on this host"],
    volume: [
      `volumes.v.driver_opts.device: ${file} is not a directory`,
      `volumes.w.driver_opts.device: ${folder}/none does not exist; create it first`,
    ],
    joined: ["services.joined.network_mode: the container none does not exist"],
  });
  rmSync(folder, { recursive: true });
});
