import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  daemonUnit,
  environmentLine,
  quoted,
  shutdownUnit,
  type UnitSettings,
} from "../../../../src/cli/systemd/unit.ts";

const HARD = `/srv/a b/"quo'te" \\ 100% $HOME; #x`;

const settings: UnitSettings = {
  command: [process.execPath, "--flag", HARD],
  bay: [process.execPath, HARD],
  root: HARD,
  run: "/run/bay",
  group: "a group",
  repair: false,
  environment: [`BAY_ROOT=${HARD}`, "HTTP_PROXY=http://proxy:3128", "TEXT=a\nb"],
  environmentFile: "/etc/bay/50%/bayd.env",
};

/** The words of a value, by the rules of systemd.syntax(7): quotes, C escapes, and `%%` for a percent sign. */
function words(text: string): string[] {
  const result: string[] = [];
  let word: string | undefined;
  let quote = "";
  for (let at = 0; at < text.length; at++) {
    const sign = text[at]!;
    if (sign === "\\") {
      at += 1;
      const isHex = text[at] === "x";
      word =
        (word ?? "") +
        (isHex ? String.fromCharCode(Number.parseInt(text.slice(at + 1, at + 3), 16)) : text[at]);
      if (isHex) at += 2;
    } else if (quote !== "" && sign === quote) quote = "";
    else if (quote === "" && (sign === '"' || sign === "'")) [quote, word] = [sign, word ?? ""];
    else if (quote === "" && /\s/.test(sign)) {
      if (word !== undefined) result.push(word);
      word = undefined;
    } else word = (word ?? "") + sign;
  }
  if (word !== undefined) result.push(word);
  return result.map((each) => each.replaceAll("%%", "%"));
}

const values = (unit: string, key: string) =>
  unit.split("\n").flatMap((line) => (line.startsWith(`${key}=`) ? [line.slice(key.length + 1)] : []));

describe("systemd units", () => {
  it("quote any word so that systemd reads the same word", () => {
    const word = fc.string({ unit: fc.constantFrom(..."ab \t\n\"'\\%$;#=é/-"), minLength: 0, maxLength: 12 });
    fc.assert(
      fc.property(fc.array(word), (given) => {
        expect(words(given.map(quoted).join(" "))).toEqual(given);
      }),
    );
  });

  it("give bayd its flags and its environment", () => {
    const unit = daemonUnit(settings);
    const [start] = values(unit, "ExecStart").map(words);
    expect(start!.map((each) => each.replaceAll("$$", "$"))).toEqual([
      ...settings.command,
      "daemon",
      "run",
      "--no-repair",
      "--group",
      "a group",
    ]);
    expect(values(unit, "Environment").flatMap(words)).toEqual(settings.environment);
    expect(values(unit, "EnvironmentFile")).toEqual(["/etc/bay/50%%/bayd.env"]);
    expect(values(unit, "KillMode")).toEqual(["process"]);
  });

  it("stop the containers before bayd and the network at shutdown", () => {
    const unit = shutdownUnit(settings);
    expect(values(unit, "After")).toEqual(["bay.service network-online.target"]);
    expect(values(unit, "ExecStop").map(words)[0]!.slice(-3)).toEqual([
      "daemon",
      "stop",
      "--with-containers",
    ]);
  });

  it("keep passwords in a file that the shell's rules read", () => {
    const entry = 'https_proxy=http://u:p"$`\\@h';
    const said = execFileSync("sh", ["-c", `${environmentLine(entry)}printf %s "$https_proxy"`], {
      encoding: "utf8",
    });
    expect(said).toBe('http://u:p"$`\\@h');
  });

  it("are accepted by systemd", () => {
    const folder = mkdtempSync(join(tmpdir(), "bay-units-"));
    try {
      const units = { "bay.service": daemonUnit(settings), "bay-shutdown.service": shutdownUnit(settings) };
      for (const [name, text] of Object.entries(units)) writeFileSync(join(folder, name), text);
      const args = ["verify", "--man=no", ...Object.keys(units).map((name) => join(folder, name))];
      // what it does not understand, it says and ignores
      const { status, stdout, stderr } = spawnSync("systemd-analyze", args, { encoding: "utf8" });
      expect([status, stdout, stderr]).toEqual([0, "", ""]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
