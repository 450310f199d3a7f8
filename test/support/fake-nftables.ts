/** nftables in memory: tables as bay writes them, in transactions; it passes the contract of nftables. */
interface Table {
  /** The lines of the blocks that were added. */
  body: string[];
  /** Elements of sets and maps that were added by themselves, by the name of the set. */
  elements: Map<string, Set<string>>;
}

export class FakeNftables {
  /** Every text that was run, also those that were rejected. */
  readonly ran: string[] = [];
  #tables = new Map<string, Table>();
  /** Families that the kernel does not have. */
  readonly missing = new Set<string>();

  /** `fail` makes the error of a rejected transaction. */
  constructor(readonly fail: (message: string) => Error) {}

  get tables(): string[] {
    return [...this.#tables.keys()].sort();
  }

  /** The rules of a table; undefined if it does not exist. */
  textOf(name: string): string | undefined {
    return this.#tables.get(name)?.body.join("\n");
  }

  elementsOf(table: string, set: string): string[] {
    return [...(this.#tables.get(table)?.elements.get(set) ?? [])].sort();
  }

  /** Another program removes all tables, as `nft flush ruleset`. */
  flush(): void {
    this.#tables.clear();
  }

  /** The rules of a table with the elements that were added by themselves; undefined if it does not exist. */
  listed(name: string): string | undefined {
    return this.#tables.has(name) ? this.#listed(name, this.#tables) : undefined;
  }

  /** Another program changes a table. */
  tamper(name: string, line: string): void {
    this.#tables.get(name)!.body.push(line);
  }

  run(text: string): string {
    this.ran.push(text);
    // a text that only adds elements fails before its first change, if the table does not exist
    const isAddition = text.split("\n").every((line) => line === "" || line.startsWith("add element "));
    const tables = isAddition
      ? this.#tables
      : new Map([...this.#tables].map(([name, table]) => [name, structuredClone(table)]));
    const output: string[] = [];
    const lines = text.split("\n");
    for (let at = 0; at < lines.length; at++) {
      const line = lines[at]!.trim();
      if (line === "") continue;
      const block = /^table (\S+ \S+) \{$/.exec(line);
      if (!block) {
        output.push(this.#command(line, tables));
        continue;
      }
      const end = endOfBlock(lines, at);
      if (end < 0) throw this.fail("syntax error, unexpected end of file");
      this.#tableOf(tables, block[1]!, true).body.push(...lines.slice(at + 1, end));
      at = end;
    }
    this.#tables = tables;
    return output.filter((part) => part !== "").join("\n");
  }

  #tableOf(tables: Map<string, Table>, name: string, create = false): Table {
    if (this.missing.has(name.split(" ")[0]!)) throw this.fail("Operation not supported");
    const known = tables.get(name);
    if (known) return known;
    if (!create) throw this.fail("No such file or directory");
    const table = { body: [], elements: new Map<string, Set<string>>() };
    tables.set(name, table);
    return table;
  }

  #command(line: string, tables: Map<string, Table>): string {
    const [, verb = "", object = "", rest = ""] = /^(\w+) (\w+) ?(.*)$/.exec(line) ?? [];
    const [family = "", name = "", set = ""] = rest.split(" ");
    const table = `${family} ${name}`;
    switch (`${verb} ${object}`) {
      case "add table":
        this.#tableOf(tables, table, true);
        return "";
      case "delete table":
        this.#tableOf(tables, table);
        tables.delete(table);
        return "";
      case "flush table":
        this.#tableOf(tables, table).body.length = 0;
        return "";
      case "flush set":
      case "flush map":
        this.#tableOf(tables, table).elements.delete(set);
        return "";
      case "list table":
        this.#tableOf(tables, table);
        return this.#listed(table, tables);
      case "list chains":
      case "list ruleset":
        return [...tables.keys()].map((each) => this.#listed(each, tables)).join("\n");
      case "add element":
      case "delete element":
        this.#change(this.#tableOf(tables, table), verb, set, rest);
        return "";
      default:
        throw this.fail(`syntax error, unexpected ${verb}`);
    }
  }

  #listed(name: string, tables: ReadonlyMap<string, Table>): string {
    const { body, elements } = tables.get(name)!;
    const sets = [...elements].map(([set, values]) => `  # ${set}: ${[...values].join(", ")}`);
    return [`table ${name} {`, ...body, ...sets, "}"].join("\n");
  }

  #change({ elements }: Table, verb: string, set: string, rest: string): void {
    const known = elements.get(set) ?? new Set();
    elements.set(set, known);
    for (const element of /\{ (.*) \}/.exec(rest)![1]!.split(", ")) {
      if (verb === "add") known.add(element);
      else if (!known.delete(element)) throw this.fail("No such file or directory");
    }
  }
}

/** The line that closes the block that a line opens; -1 if none does. */
function endOfBlock(lines: readonly string[], start: number): number {
  let depth = 0;
  for (let at = start; at < lines.length; at++) {
    depth += lines[at]!.split("{").length - lines[at]!.split("}").length;
    if (depth === 0) return at;
  }
  return -1;
}
