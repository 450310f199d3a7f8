/** Keeps bay's table in the kernel up to date; changes of one moment share a transaction. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { hasCode } from "../../core/errors.ts";
import { nft } from "../../linux/index.ts";
import { replaceFile } from "../../store/index.ts";
import type { BalancedPort, NetworkRecord, PublishedPort } from "../model/network.ts";
import { emptying, type Family, hasIpv6, renderRules, replacing, tableName } from "./rules.ts";

/** A hash of the tables as the kernel lists them; undefined if the IPv4 table does not exist. */
export function tableHash(tag: string): string | undefined {
  const listed = listTable("ip", tag);
  if (listed === undefined) return undefined;
  return createHash("sha256")
    .update(listed + (listTable("ip6", tag) ?? ""))
    .digest("hex");
}

function listTable(family: Family, tag: string): string | undefined {
  try {
    return nft(`list table ${family} ${tableName(tag)}`);
  } catch (error) {
    if (hasCode(error, "NFTABLES")) return undefined;
    throw error;
  }
}

export class Firewall {
  #pending: Promise<void> | undefined;
  #applied = "";
  /** The table exists, with the chains and sets that bay gave it. */
  #hasTable = false;
  /** The same for IPv6, which few networks use. */
  #hasTable6 = false;
  #hash: string | undefined;

  constructor(
    readonly tag: string,
    readonly desired: () => {
      networks: NetworkRecord[];
      ports: PublishedPort[];
      balanced?: readonly BalancedPort[];
    },
    /** The file with the table's hash, for observers outside bayd. */
    readonly file: string,
  ) {}

  /** Resolves when the kernel has what `desired` returns at this moment or later. */
  sync(): Promise<void> {
    this.#pending ??= new Promise<void>((resolve, reject) => {
      setImmediate(() => {
        this.#pending = undefined;
        try {
          this.apply();
          resolve();
        } catch (error) {
          reject(error);
        }
      });
    });
    return this.#pending;
  }

  apply(): void {
    const { networks, ports, balanced } = this.desired();
    const rules = renderRules(this.tag, networks, ports, balanced);
    if (rules === this.#applied) return;
    rmSync(this.file, { force: true }); // until the new hash is known, changes of the table cannot be detected
    if (networks.length === 0) nft(replacing(this.tag));
    else this.#change(rules, hasIpv6(networks));
    this.#applied = rules;
    this.#hasTable = networks.length > 0;
    this.#hasTable6 = hasIpv6(networks);
    this.#hash = undefined;
  }

  #change(rules: string, isIpv6: boolean): void {
    if (this.#hasTable && this.#hasTable6 === isIpv6) {
      try {
        return void nft(emptying(this.tag, isIpv6) + rules);
      } catch (error) {
        // another program removed the table or a part of it
        if (!hasCode(error, "NFTABLES")) throw error;
      }
    }
    nft(replacing(this.tag) + rules);
  }

  /** Restores the table if another program changed or deleted it; returns true in that case. */
  repair(): boolean {
    if (this.desired().networks.length === 0) return false;
    const now = tableHash(this.tag);
    if (this.#hash === undefined) this.#hash = now;
    if (now !== undefined && now === this.#hash && this.#applied !== "") return false;
    this.#applied = "";
    this.#hasTable = false; // its content is unknown
    this.apply();
    return true;
  }

  /** Saves the hash that the table should have. */
  save(): void {
    if (this.#hash !== undefined && existsSync(this.file)) return;
    this.#hash ??= tableHash(this.tag) ?? "";
    replaceFile(this.file, this.#hash);
  }
}

/** True if the table is as bayd last left it. */
export function firewallIsIntact(tag: string, file: string): boolean {
  try {
    return readFileSync(file, "utf8") === (tableHash(tag) ?? "");
  } catch {
    return true; // bayd is changing the rules, or never wrote any
  }
}
