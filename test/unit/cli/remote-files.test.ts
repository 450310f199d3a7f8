/** Which remote files are fetched for a stack, how many, and with which credentials. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { RemoteFiles } from "../../../src/cli/remote-files.ts";
import { LIMITS } from "../../../src/core/limits.ts";
import { secretsFor } from "../../../src/gitops/remote/fetch-git.ts";
import type { LoadOptions } from "../../../src/stack/index.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "bay-remote-"));
});
afterEach(() => rmSync(root, { recursive: true }));

const request: LoadOptions = { cwd: "/", environment: {} };
const addressOf = (number: number) => `https://git.example.org/${number}.git`;
const counted = () => {
  const fetched: [string, boolean][] = [];
  const files = new RemoteFiles(root, "fetch", async (address, isForeign) => {
    fetched.push([address, isForeign]);
    return { file: address, root: address, version: "1", pinFile: address };
  });
  return { files, fetched };
};

it("refuses a chain of includes that is too long, instead of leaving out the last", async () => {
  const { files, fetched } = counted();
  const loading = files.load(request, ({ remotes = {}, onRemote }) =>
    onRemote?.(addressOf(Object.keys(remotes).length), true),
  );
  await expect(loading).rejects.toMatchObject({
    code: "REMOTE_FILE",
    message: expect.stringContaining(`more than ${LIMITS.remoteFiles.rounds} levels`),
  });
  expect(fetched).toHaveLength(LIMITS.remoteFiles.rounds);
});

it("refuses too many remote files before it fetches them", async () => {
  const { files, fetched } = counted();
  const loading = files.load(request, ({ onRemote }) => {
    for (let number = 0; number <= LIMITS.remoteFiles.addresses; number++)
      onRemote?.(addressOf(number), true);
  });
  await expect(loading).rejects.toMatchObject({
    code: "REMOTE_FILE",
    message: expect.stringContaining(`more than ${LIMITS.remoteFiles.addresses} remote files`),
  });
  expect(fetched).toEqual([]);
});

it("knows which addresses the user named", async () => {
  const { files, fetched } = counted();
  await files.load(request, ({ remotes, onRemote }) => {
    if (remotes) return;
    onRemote?.(addressOf(1), true);
    onRemote?.(addressOf(2), true);
    onRemote?.(addressOf(2), false);
    onRemote?.(addressOf(2), true);
  });
  expect(fetched).toEqual([
    [addressOf(1), true],
    [addressOf(2), false],
  ]);
});

it("fetches nothing for completion", async () => {
  const files = new RemoteFiles(root, "pinned");
  const loading = files.load(request, ({ onRemote }) => onRemote?.("https://127.0.0.1:1/a.git", false));
  await expect(loading).rejects.toMatchObject({
    code: "REMOTE_FILE",
    message: "https://127.0.0.1:1/a.git was not fetched yet",
  });
});

it("gives the server of a fetched file's address only the credentials with its name", () => {
  const environment = { GIT_AUTH_TOKEN: "any", "GIT_AUTH_TOKEN.git.example.org": "own" };
  expect(secretsFor(true, environment)("GIT_AUTH_TOKEN")).toBeUndefined();
  expect(secretsFor(true, environment)("GIT_AUTH_TOKEN.git.example.org")).toBe("own");
  expect(secretsFor(false, environment)("GIT_AUTH_TOKEN")).toBe("any");
});
