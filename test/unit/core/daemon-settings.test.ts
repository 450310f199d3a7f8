import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { DEFAULT_SETTINGS, readDaemonSettings } from "../../../src/core/daemon-settings.ts";

describe("daemon.json", () => {
  const folder = mkdtempSync(join(tmpdir(), "bay-settings-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const read = (text: string) => {
    writeFileSync(join(folder, "daemon.json"), text);
    return readDaemonSettings(folder);
  };

  it("is optional, and so is every key", () => {
    expect(readDaemonSettings(join(folder, "absent"))).toEqual(DEFAULT_SETTINGS);
    expect(read("{}")).toEqual(DEFAULT_SETTINGS);
    expect(read('{"log-opts": {"max-file": "3"}}')).toEqual({ ...DEFAULT_SETTINGS, logMaxFiles: 3 });
  });

  it("takes sizes as Docker writes them, and 0 and -1 for no pids limit", () => {
    expect(read('{"max-layer-size": "2g", "max-image-size": 1000}')).toMatchObject({
      maxLayerSize: 2 ** 31,
      maxImageSize: 1000,
    });
    for (const value of [0, -1]) expect(read(`{"default-pids-limit": ${value}}`).defaultPidsLimit).toBe(0);
  });

  it.each([
    '{"max-layers": 1}',
    '{"log-opts": {"max-sizes": "1m"}}',
    '{"max-layer-size": "much"}',
    '{"max-layer-size": -1}',
    '{"log-opts": {"max-size": "1k"}}',
    '{"default-pids-limit": 1.5}',
    '{"default-pids-limit": -2}',
    "[]",
    "{",
  ])("refuses %s with the name of the file", (text) => {
    expect(() => read(text)).toThrowError(
      expect.objectContaining({ code: "BAD_SETTINGS", message: expect.stringContaining(folder) }),
    );
  });
});
