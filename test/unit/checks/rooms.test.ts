/** The rooms of src/: which may import which, and through which doors (docs/architecture.md). */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";

interface Import {
  from: string;
  to: string;
  isLazy: boolean;
}

const SOURCE = join(process.cwd(), "src");
const { FLOORS, readImports, roomOf, sourceFiles } = (await import(
  pathToFileURL("scripts/rooms.mjs").href
)) as {
  FLOORS: string[][];
  readImports: (source: string) => Import[];
  roomOf: (path: string) => string;
  sourceFiles: (source: string) => string[];
};

/** stack/ describes what is asked for and knows nothing of the host: it imports core alone, and these may import it. */
const STACK = {
  room: "stack",
  imports: ["core"],
  importedBy: ["cli", "watch", "gitops", "daemon", "placement", "reconcile"],
};

/** Doors beside index.ts. Each exists so that a caller does not load the rest of the room. */
const DOORS: Record<string, string> = {
  "host/join.ts": "certificates are loaded only when they are made",
  "image/for-workers.ts": "worker threads load the kernel's library, and bayd's main thread must not",
  "linux/log-pump.ts": "the log worker needs one system call of the room",
  "build/options.ts": "the command reads options of builds without loading the builder",
  "build/ignore.ts": "bay watch reads patterns of .dockerignore without loading the builder",
  "daemon/client.ts": "bay watch talks to bayd and does not load the code that starts it",
  "daemon/watch/protocol.ts": "bay watch and bayd share the format of their messages",
  "daemon/extension.ts": "what bayd is extended with; the command's client does not load it",
  "stack/query.ts": "commands on a cached stack load neither YAML nor schema",
};

/** Rooms whose parts the command loads by themselves, by import() or as types, so that its start stays short. */
const LOADED_BY_PARTS = ["gitops", "daemon", "reconcile", "stack"];

const files = sourceFiles(SOURCE);
const imports = readImports(SOURCE);
const floor = (name: string): number => FLOORS.findIndex((rooms) => rooms.includes(name));

function mayImport(from: string, to: string): boolean {
  if (from === to) return true;
  if (from === STACK.room) return STACK.imports.includes(to);
  if (to === STACK.room) return STACK.importedBy.includes(from);
  return floor(from) < floor(to);
}

describe("the rooms of the source", () => {
  it("are all known, and nothing lies beside them", () => {
    const known = [...FLOORS.flat(), STACK.room];
    expect(files.filter((path) => !known.includes(roomOf(path)) || !path.includes("/"))).toEqual([]);
    expect(imports.length).toBeGreaterThan(1000);
  });

  it("import only rooms below them", () => {
    expect(imports.filter(({ from, to }) => !mayImport(roomOf(from), roomOf(to)))).toEqual([]);
  });

  it("are entered through their doors", () => {
    const isDoor = ({ from, to, isLazy }: Import): boolean =>
      roomOf(from) === roomOf(to) ||
      roomOf(to) === "core" ||
      to === `${roomOf(to)}/index.ts` ||
      to in DOORS ||
      (roomOf(from) === "cli" && isLazy && LOADED_BY_PARTS.includes(roomOf(to)));
    expect(imports.filter((each) => !isDoor(each))).toEqual([]);
  });

  it("have no unused door", () => {
    const used = new Set(imports.filter(({ from, to }) => roomOf(from) !== roomOf(to)).map(({ to }) => to));
    expect(Object.keys(DOORS).filter((door) => !used.has(door))).toEqual([]);
  });
});
