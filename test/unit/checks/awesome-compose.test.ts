/** Public Compose files as people have them, where they lie beside the project: they load, mean what they say, and are planned. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { makePlan } from "../../../src/reconcile/index.ts";
import { loadStack, StackError, toCompose } from "../../../src/stack/index.ts";
import { converged, IMAGE, NOTHING } from "../../support/actual.ts";
import { describeWithData } from "../../support/reference-data.ts";
import { loadText } from "../../support/stack.ts";

/** Variables that a file cannot do without. */
const NEEDED: Record<string, Record<string, string>> = { plex: { PLEX_MEDIA_PATH: "/srv/media" } };
/** Services that cannot run on a host of this kind, and what says so. */
const REFUSED: Record<string, RegExp[]> = {
  "wasmedge-kafka-mysql": [
    /etl\.platform: this host runs linux\/\w+, not wasi\/wasm/,
    /etl\.runtime: bay has its own runtime/,
  ],
  "wasmedge-mysql-nginx": [/backend\.platform: this host runs/, /backend\.runtime: bay has its own runtime/],
};

describeWithData("stack files of others", "awesome-compose", (data) => {
  const folders = readdirSync(data).sort();
  const loadFolder = (folder: string) =>
    loadStack({ cwd: join(data, folder), environment: NEEDED[folder] ?? {}, profiles: ["*"] });
  const load = (folder: string) => loadFolder(folder).stack;
  const fine = folders.filter((folder) => !REFUSED[folder]);

  it("are many", () => {
    expect(folders.length).toBe(39);
  });

  it.each(fine)("%s is planned, and is nothing to do once it is there", (folder) => {
    const stack = load(folder);
    const services = Object.values(stack.services);
    const kinds = makePlan(stack, NOTHING).steps.map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === "container.create").length).toBe(
      services.reduce((sum, { replicas }) => sum + replicas, 0),
    );
    const images = Object.fromEntries(services.map(({ image }) => [image, { ...IMAGE, stale: undefined }]));
    expect(makePlan(stack, { ...converged(stack), images }).steps).toEqual([]);
  });

  it.each(fine)("%s is the same when it is read from what `bay config` prints", (folder) => {
    const printed = toCompose(load(folder));
    const again = loadText(JSON.stringify(printed), { name: undefined, profiles: ["*"] }).stack;
    expect(toCompose(again)).toEqual(printed);
  });

  it.each(
    Object.entries(REFUSED).filter(([folder]) => folders.includes(folder)),
  )("%s says what cannot run here", (folder, messages) => {
    let text = "";
    try {
      const { warnings } = loadFolder(folder);
      text = warnings.map(({ message }) => message).join("\n");
    } catch (error) {
      expect(error).toBeInstanceOf(StackError);
      text = (error as Error).message;
    }
    for (const message of messages) expect(text).toMatch(message);
  });
});
