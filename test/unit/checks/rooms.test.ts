/** The rooms of src/: which may import which, and through which doors (docs/architecture.md). */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { describe, expect, it } from "vitest";

const SOURCE = join(process.cwd(), "src");

/** From the top to the bottom. A room imports only rooms of lower floors. */
const FLOORS = [
  ["cli"],
  ["daemon"],
  ["reconcile"],
  ["build"],
  ["container"],
  ["image", "network", "volume"],
  ["linux", "store"],
  ["core"],
];

/** stack/ describes what is asked for and knows nothing of the host: it imports core alone, and these may import it. */
const STACK = { room: "stack", imports: ["core"], importedBy: ["cli", "daemon", "reconcile"] };

/** Doors beside index.ts. Each exists so that a caller does not load the rest of the room. */
const DOORS: Record<string, string> = {
  "image/for-workers.ts": "worker threads load the kernel's library, and bayd's main thread must not",
  "linux/log-pump.ts": "the log worker needs one system call of the room",
  "build/options.ts": "the command reads options of builds without loading the builder",
  "stack/query.ts": "commands on a cached stack load neither YAML nor schema",
};

/** Rooms whose parts the command loads by themselves, by import() or as types, so that its start stays short. */
const LOADED_BY_PARTS = ["daemon", "reconcile", "stack"];

interface Import {
  from: string;
  to: string;
  isLazy: boolean;
}

const files = readdirSync(SOURCE, { recursive: true, encoding: "utf8" }).filter((name) =>
  name.endsWith(".ts"),
);

const imports: Import[] = files.flatMap((from) => {
  const text = readFileSync(join(SOURCE, from), "utf8");
  return [...text.matchAll(/(import type [^;]*?from |\bfrom |import\(|import )\s*"(\.[^"]+)"/g)].map(
    ([, how, path]) => ({
      from,
      to: relative(SOURCE, normalize(join(SOURCE, dirname(from), path!))),
      isLazy: how === "import(" || how!.startsWith("import type"),
    }),
  );
});

const room = (path: string): string => path.split("/")[0]!;
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
    expect(files.filter((path) => !known.includes(room(path)) || !path.includes("/"))).toEqual([]);
    expect(imports.length).toBeGreaterThan(1000);
  });

  it("import only rooms below them", () => {
    expect(imports.filter(({ from, to }) => !mayImport(room(from), room(to)))).toEqual([]);
  });

  it("are entered through their doors", () => {
    const isDoor = ({ from, to, isLazy }: Import): boolean =>
      room(from) === room(to) ||
      room(to) === "core" ||
      to === `${room(to)}/index.ts` ||
      to in DOORS ||
      (room(from) === "cli" && isLazy && LOADED_BY_PARTS.includes(room(to)));
    expect(imports.filter((each) => !isDoor(each))).toEqual([]);
  });

  it("have no unused door", () => {
    const used = new Set(imports.filter(({ from, to }) => room(from) !== room(to)).map(({ to }) => to));
    expect(Object.keys(DOORS).filter((door) => !used.has(door))).toEqual([]);
  });
});
