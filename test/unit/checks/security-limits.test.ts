/** docs/limits.md is written from src/core/limits.ts, and docs/security.md says the same limits and settings. */
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { DEFAULT_SETTINGS, SETTING_KEYS, shownSettings } from "../../../src/core/daemon-settings.ts";
import { LIMITS } from "../../../src/core/limits.ts";

interface Script {
  limitText: (value: number, what: string) => string;
  readLimits: (source: string) => { key: string; limits: { key: string; what: string }[] }[];
  limitsPage: (limits: typeof LIMITS, source: string) => string;
}

const SOURCE = readFileSync("src/core/limits.ts", "utf8");
let script: Script;
beforeAll(async () => {
  script = (await import(pathToFileURL("scripts/limits.mjs").href)) as Script;
});

/** Rows of docs/security.md by their beginning, and the limit that they name. */
const ROWS: readonly (readonly [row: string, section: keyof typeof LIMITS, ...keys: string[]])[] = [
  ["| TLS handshakes at once", "pendingClients", "all", "ofAddress"],
  ["| new TCP connections of one address", "pendingClients", "rate", "burst"],
  ["| time for a TLS handshake", "pendingClients", "handshakeTime"],
  ["| request line and headers", "request", "headers"],
  ["| time until the headers are complete", "request", "headerTime"],
  ["| idle time between two requests", "request", "idleTime"],
  ["| JSON body of the Engine API", "request", "body"],
  ["| JSON body of bay's own routes", "request", "stackBody"],
  ["| time until a JSON body is complete", "request", "bodyTime"],
  ["| nesting of JSON", "request", "depth"],
  ["| entries of one JSON array or object", "request", "entries"],
  ["| body that is read and discarded", "request", "drained"],
  ["| values of one filter", "request", "filterValues"],
  ["| patterns of names", "request", "patterns", "patternLength", "patternStates"],
  ["| `t` of stop and restart", "request", "graceSeconds"],
  ["| stored execs", "request", "execs"],
  ["| input of attach and exec", "request", "unreadInput"],
  ["| output that a client of events or of a terminal", "request", "unsentOutput"],
  ["| labels and annotations of one object", "stack", "parts", "text"],
  ["| replicas", "hosts", "containers"],
  ["| Queries in one second", "dns", "perSecond"],
  ["| Connections over TCP", "dns", "connections", "connectionsPerSecond"],
  ["| Queries of one connection", "dns", "waiting"],
  ["| Queries that wait for the upstream", "dns", "open", "openOfAll"],
  ["| An answer over UDP", "dns", "udpAnswer"],
  ["| bytes of an env file", "stack", "listFileBytes"],
  ["| bytes of one variable or label", "stack", "entryBytes"],
  ["| bytes of all variables", "stack", "entriesBytes"],
  ["| services, networks, volumes", "stack", "parts"],
  ["| entries of any other mapping", "stack", "entries"],
];

describe("docs/limits.md", () => {
  it("is current: npm run limits writes it", () => {
    expect(readFileSync("docs/limits.md", "utf8")).toBe(script.limitsPage(LIMITS, SOURCE));
  });

  it("has every limit of the table", () => {
    const read = Object.fromEntries(
      script.readLimits(SOURCE).map(({ key, limits }) => [key, limits.map((each) => each.key)]),
    );
    expect(read).toEqual(
      Object.fromEntries(Object.entries(LIMITS).map(([key, limits]) => [key, Object.keys(limits)])),
    );
    for (const { limits } of script.readLimits(SOURCE))
      for (const { key, what } of limits) expect(what, key).not.toBe("");
  });

  it("writes sizes, times and counts with their units", () => {
    expect(script.limitText(3 << 20, "Bytes of a file")).toBe("3 MiB");
    expect(script.limitText(1232, "Bytes of a query")).toBe("1,232 bytes");
    expect(script.limitText(1500, "Milliseconds for it")).toBe("1500 ms");
    expect(script.limitText(10_000, "Milliseconds for it")).toBe("10 s");
    expect(script.limitText(10_000, "Files of a commit")).toBe("10,000");
  });
});

describe("the limits in docs/security.md", () => {
  const text = readFileSync("docs/security.md", "utf8");

  it.each(Object.entries(shownSettings(DEFAULT_SETTINGS)))("%s is %s", (key, value) => {
    const row = text.split("\n").find((line) => line.startsWith("|") && line.includes(`\`${key}\``));
    expect(row).toContain(`| ${value} |`);
  });

  it.each(ROWS)("%s", (start, section, ...keys) => {
    const row = text.split("\n").find((line) => line.startsWith(start));
    const table = script.readLimits(SOURCE).find(({ key }) => key === section)!;
    for (const key of keys) {
      const { what } = table.limits.find((each) => each.key === key)!;
      const value = (LIMITS[section as keyof typeof LIMITS] as Record<string, number>)[key]!;
      expect(row).toContain(script.limitText(value, what));
    }
  });

  it("its example has every key of daemon.json", () => {
    const example = JSON.parse(/```json\n([\s\S]*?)```/.exec(text)![1]!) as object;
    expect(Object.keys(example).sort()).toEqual([...SETTING_KEYS].sort());
  });
});
