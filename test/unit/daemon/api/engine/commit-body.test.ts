/** The config of a committed image: the body of the request over the container's config. */
import { describe, expect, it } from "vitest";
import { committedConfig } from "../../../../../src/daemon/api/engine/commit-body.ts";

const before = { Cmd: ["old"], Entrypoint: ["/start"], Env: ["A=1", "B=2"], WorkingDir: "/w" };
const committed = (body: Parameters<typeof committedConfig>[0]) => committedConfig(body)(before);

describe("the program of a committed image", () => {
  it.each([
    ["nothing", {}, { Cmd: ["old"], Entrypoint: ["/start"] }],
    ["empty values", { Cmd: [] }, { Cmd: ["old"], Entrypoint: ["/start"] }],
    ["Cmd", { Cmd: ["new"] }, { Cmd: ["new"], Entrypoint: ["/start"] }],
    ["Entrypoint", { Entrypoint: ["/run"] }, { Cmd: undefined, Entrypoint: ["/run"] }],
    [
      "Entrypoint and an empty Cmd",
      { Entrypoint: ["/run"], Cmd: [] },
      { Cmd: undefined, Entrypoint: ["/run"] },
    ],
    ["both", { Entrypoint: ["/run"], Cmd: ["new"] }, { Cmd: ["new"], Entrypoint: ["/run"] }],
    ["an empty Entrypoint", { Entrypoint: [] }, { Cmd: ["old"], Entrypoint: undefined }],
  ])("is that of Docker if the body has %s", (_what, body, expected) => {
    const { Cmd, Entrypoint } = committed(body);
    expect({ Cmd, Entrypoint }).toEqual(expected);
  });

  it("keeps the rest of the config", () => {
    expect(committed({ Env: ["A=3"], WorkingDir: "" })).toMatchObject({
      Env: ["A=3", "B=2"],
      WorkingDir: "/w",
    });
  });
});
