/**
 * The bases of apt: images, kept between test files and runs: to make one takes half a minute of a processor. bayd checks the
 * digest in a base's name, and makes a base again where its packages have newer versions. They are beside the folder of
 * package-cache.ts.
 */
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Bay } from "./bay.ts";

const KEPT = `${process.env.BAY_PACKAGE_CACHE ?? "/var/cache/bay-tests"}-bases`;

const basesIn = (folder: string): string[] =>
  existsSync(folder) ? readdirSync(folder).filter((name) => /^base-\w+-\w+\.tar$/.test(name)) : [];
const folderOf = (bay: Bay): string => join(bay.folder, "root", "apt");

/** Copies a file so that no reader sees a part of it. */
function copy(from: string, to: string): void {
  const partial = `${to}.${process.pid}`;
  copyFileSync(from, partial);
  renameSync(partial, to);
}

/** Gives a bay, before its first command, the bases that other tests made. */
export function takeAptBases(bay: Bay): void {
  const names = basesIn(KEPT);
  if (names.length === 0) return;
  mkdirSync(join(bay.folder, "root"), { recursive: true, mode: 0o711 });
  mkdirSync(folderOf(bay), { mode: 0o711 });
  for (const name of names) copy(join(KEPT, name), join(folderOf(bay), name));
}

/** Keeps the bases that a bay made for other tests, in place of earlier ones. */
export function keepAptBases(bay: Bay): void {
  const made = basesIn(folderOf(bay));
  mkdirSync(KEPT, { recursive: true });
  for (const name of made)
    if (!existsSync(join(KEPT, name))) copy(join(folderOf(bay), name), join(KEPT, name));
  for (const name of basesIn(KEPT)) if (!made.includes(name)) rmSync(join(KEPT, name), { force: true });
}
