/** What `bay lint` finds: for each rule a stack that breaks it, and one that does not. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readMerged } from "../../../src/stack/files/merge-files.ts";
import { loadStack } from "../../../src/stack/index.ts";
import { lintStack } from "../../../src/stack/lint/lint.ts";
import { RULES } from "../../../src/stack/lint/rules.ts";

function lint(text: string): string[] {
  const folder = mkdtempSync(join(tmpdir(), "bay-lint-"));
  try {
    writeFileSync(join(folder, "bay.yaml"), text);
    const options = { cwd: folder, environment: {}, name: "demo" };
    const merged = readMerged(options);
    const { stack } = loadStack(options, merged);
    return lintStack(stack, merged).map(({ code, place }) => `${code} ${place?.line}:${place?.column}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
const one = (keys: string) => lint(`services:\n  a:\n    mem_limit: 64m\n    image: x:1\n${keys}`);

/** Keys of a service, and where the rule finds something; and keys in which it finds nothing. */
const ROWS: Record<string, [bad: string, at: string, good: string]> = {
  "secret-in-environment": [
    "    environment:\n      A: b\n      DB_PASSWORD: c\n",
    "7:7",
    "    environment: { DB_PASSWORD_FILE: /run/secrets/db, TOKEN: '' }\n",
  ],
  "port-on-all-addresses": [
    "    restart: always\n    ports: ['80:80']\n",
    "6:5",
    "    restart: always\n    ports: ['127.0.0.1:80:80']\n",
  ],
  "dependency-without-health-check": [
    "    depends_on: [b]\n  b: { image: 'x:1', mem_limit: 64m }\n",
    "5:5",
    "    depends_on: [b]\n  b: { image: 'x:1', mem_limit: 64m, healthcheck: { test: 'true' } }\n",
  ],
  "no-memory-limit": ["  b: { image: 'x:1' }\n", "5:3", "  b: { image: 'x:1', mem_limit: 64m }\n"],
  "no-restart-policy": [
    "    ports: ['127.0.0.1:80:80']\n",
    "2:3",
    "    ports: ['127.0.0.1:80:80']\n    restart: always\n",
  ],
  "privileged-container": ["    privileged: true\n", "5:5", "    privileged: false\n"],
  "host-network": ["    network_mode: host\n", "5:5", "    network_mode: none\n"],
  "docker-socket": [
    "    volumes: ['/var/run/docker.sock:/s']\n",
    "5:5",
    "    volumes: ['/var/run/other.sock:/s']\n",
  ],
  "fixed-name": ["    container_name: b\n", "5:5", "    hostname: b\n"],
};

describe("bay lint", () => {
  it("has a row here for each rule, and one in the documents", () => {
    const documents = readFileSync(new URL("../../../docs/stack-file.md", import.meta.url), "utf8");
    for (const [name, { asks }] of Object.entries(RULES))
      expect(documents).toContain(`| ${name} | ${asks} |`);
    expect(["image-latest", ...Object.keys(ROWS)]).toEqual(Object.keys(RULES));
  });

  it.each(Object.entries(ROWS))("%s is found where it stands", (rule, [bad, at, good]) => {
    expect(one(bad)).toEqual([`${rule} ${at}`]);
    expect(one(good)).toEqual([]);
  });

  it.each([
    ["x", 1],
    ["x:latest", 1],
    ["host:5000/x", 1],
    ["x:1", 0],
    [`x@sha256:${"0".repeat(64)}`, 0],
  ])("image-latest in %s: %d", (image, count) => {
    expect(lint(`services:\n  a: { image: '${image}', mem_limit: 64m }\n`)).toEqual(
      count === 0 ? [] : ["image-latest 2:8"],
    );
    expect(lint("services:\n  a: { image: own, mem_limit: 64m }\nimages: { own: { host: [sh] } }\n")).toEqual(
      [],
    );
  });

  it("is silent if the file skips a rule, and rejects unknown rules", () => {
    const text = (top: string, own: string) =>
      `${top}services:\n  a: { image: x, ${own} }\n  b: { image: x, mem_limit: 64m }\n`;
    expect(lint(text("x-lint-skip: [image-latest]\n", "x-lint-skip: no-memory-limit"))).toEqual([]);
    expect(lint(text("", "x-lint-skip: [image-latest, no-memory-limit]"))).toEqual(["image-latest 3:8"]);
    expect(lint(text("x-lint-skip: [image-latest, no-memory-limt]\n", "mem_limit: 64m"))).toEqual([
      "unknown-rule 1:14",
    ]);
  });
});
