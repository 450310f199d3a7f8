/** nftables in memory: it keeps the last text of each table, and notes every transaction. */
import type * as Door from "../../src/linux/index.ts";

export class FakeNft {
  readonly transactions: string[] = [];
  readonly tables = new Map<string, string>();
  /** The kernel refuses the next changes that contain this text. */
  refused: string | undefined;

  run(commands: string, real: typeof Door): string {
    const listed = /^list table (\S+ \S+)$/.exec(commands)?.[1];
    if (listed !== undefined) {
      const text = this.tables.get(listed);
      if (text === undefined) throw refusal(real, "No such file or directory");
      return text;
    }
    if (commands.startsWith("list ")) return "";
    if (this.refused !== undefined && commands.includes(this.refused))
      throw refusal(real, "Operation not permitted");
    this.transactions.push(commands);
    for (const [, verb, table] of commands.matchAll(/^(add |delete |flush )?table (\S+ \S+)/gm)) {
      if (verb === "delete ") this.tables.delete(table!);
      else this.tables.set(table!, commands);
    }
    for (const [, table] of commands.matchAll(/^(?:add|delete) element (\S+ \S+)/gm)) {
      const before = this.tables.get(table!);
      if (before === undefined) throw refusal(real, "No such file or directory");
      this.tables.set(table!, before + commands);
    }
    return "";
  }
}

/** As linux/nftables.ts throws it. */
function refusal(real: typeof Door, reason: string): Error {
  // the class of the loaded modules, whose instances the code under test knows
  const Base = Object.getPrototypeOf(real.StartError) as new (code: string, message: string) => Error;
  return new Base("NFTABLES", `nftables rejected a change: Error: ${reason}`);
}
