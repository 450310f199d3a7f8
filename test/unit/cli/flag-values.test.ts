/** Flags with a value of true or false, as docker compose takes them. */
import { describe, expect, it } from "vitest";
import { plainFlags } from "../../../src/cli/flag-values.ts";
import { build } from "../../../src/cli/program.ts";

const plain = (text: string) =>
  plainFlags(
    build(() => {}),
    text.split(" "),
  ).join(" ");

describe("a flag with a value of true or false", () => {
  it.each([
    ["up --detach=true web", "up --detach web"],
    ["up -d=1", "up -d"],
    ["up --detach=false", "up"],
    ["up -d --wait --detach=F", "up --wait"],
    ["ps --orphans=false", "ps --no-orphans"],
    ["ps --orphans=true", "ps --orphans"],
    ["ps --no-trunc=false", "ps"],
    ["--dry-run=true up -d", "--dry-run up -d"],
    ["image prune --force=true", "image prune --force"],
  ])("%s is %s", (given, expected) => expect(plain(given)).toBe(expected));

  it.each([
    "--ansi=never ps",
    "-f --detach=true up",
    "up --pull=never --scale web=2",
    "up --scale --detach=true",
    "up --detach=perhaps",
    "attach --sig-proxy=false web",
    "run web --detach=true",
    "exec web sh --flag=false",
    "up -- --detach=true",
  ])("%s stays", (given) => expect(plain(given)).toBe(given));
});
