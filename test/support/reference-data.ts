/**
 * Public reference data (the Compose specification, tables of Dockerfiles, stack files of others). It is too large for
 * this repository, and lies beside a working copy of its developers: ../shared/data. Tests that need it are skipped
 * elsewhere, and their names say why.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "vitest";

const DATA = join(process.cwd(), "..", "shared", "data");

/** Declares tests that need a folder of the reference data, or one skipped test that names the folder. */
export function describeWithData(title: string, folder: string, body: (path: string) => void): void {
  const path = join(DATA, folder);
  if (existsSync(path)) describe(title, () => body(path));
  else describe(title, () => it.skip(`needs the reference data in ../shared/data/${folder}`, () => {}));
}
