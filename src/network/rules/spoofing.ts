/**
 * Anti-spoofing: a container may send into a bridge only from its own addresses: link-layer address, ARP, IPv4, IPv6 and
 * neighbour discovery. One nftables table of the bridge family (nft(8)) per bay. Its sets name the host's end of each veth
 * pair, so that a start or an end of a container changes elements and no rules.
 */
import { existsSync, rmSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { BayError, hasCode, messageOf } from "../../core/errors.ts";
import { packAddress, toAddress } from "../../core/ip.ts";
import { nft } from "../../linux/index.ts";
import { replaceFile } from "../../store/index.ts";
import type { Endpoint } from "../model/network.ts";
import { tableName } from "./rules.ts";
import { equalsDigest, tableDigest } from "./table-digest.ts";

const NEIGHBOUR_TARGET = "@th,64,128"; // RFC 4861, 4.4: after type, code, checksum and flags

/** Removed links: how many of them make the regular pass clean the sets, and the most that may be in them. */
const STALE_ENOUGH = 64;
const STALE_LIMIT = 1024;

/** The table without elements. Pure. */
export function renderGuard(tag: string): string {
  return [
    `table bridge ${tableName(tag)} {`,
    "  set guarded { type ifname; }",
    "  set links { typeof iifname . ether saddr; }",
    "  set addresses { typeof iifname . ip saddr; }",
    "  set addresses6 { typeof iifname . ip6 saddr; }",
    `  set targets6 { typeof iifname . ${NEIGHBOUR_TARGET}; }`,
    "  chain spoofing { type filter hook prerouting priority -300; policy accept;",
    "    iifname != @guarded accept",
    "    iifname . ether saddr != @links counter drop",
    "    ether type != { arp, ip, ip6 } counter drop",
    "    ether type arp iifname . arp saddr ether != @links counter drop",
    "    ether type arp iifname . arp saddr ip != @addresses counter drop",
    "    ether type ip iifname . ip saddr != @addresses counter drop",
    // no container may assign addresses or routes to its neighbours
    "    ether type ip udp sport 67 counter drop",
    "    ether type ip6 iifname . ip6 saddr != @addresses6 counter drop",
    "    ether type ip6 udp sport 547 counter drop",
    "    icmpv6 type { nd-router-advert, nd-redirect } counter drop",
    `    icmpv6 type nd-neighbor-advert iifname . ${NEIGHBOUR_TARGET} != @targets6 counter drop`,
    // the unspecified address asks whether an address is free, and joins groups (RFC 4861, 4.3; RFC 3590);
    // a question for another's address would keep its owner from using it (RFC 4862, 5.4.3)
    // ICMPv6 by its number: nft takes its name from /etc/protocols, which a minimal Debian does not have (netbase)
    "    ip6 saddr :: meta l4proto != 58 counter drop",
    "    ip6 saddr :: icmpv6 type != { nd-neighbor-solicit, mld-listener-report, mld-listener-done, mld2-listener-report } counter drop",
    `    ip6 saddr :: icmpv6 type nd-neighbor-solicit iifname . ${NEIGHBOUR_TARGET} != @targets6 counter drop`,
    "  }",
    "}",
    "",
  ].join("\n");
}

/** The elements of one endpoint, by set. Pure. */
export function guardElements({ link, mac, address, address6 }: Endpoint): Record<string, string[]> {
  const port = `"${link}"`;
  // for an endpoint without IPv6, all IPv6 packets are dropped
  const own6 = address6 === undefined ? [] : [address6, linkLocal(mac)];
  return {
    guarded: [port],
    links: [`${port} . ${mac}`],
    addresses: [`${port} . ${address}`],
    // the unspecified address asks whether an address is free (RFC 4862, 5.4.2)
    addresses6: own6.length === 0 ? [] : [...own6, "::"].map((each) => `${port} . ${each}`),
    targets6: own6.map((each) => `${port} . 0x${packAddress(each).toString("hex")}`),
  };
}

/** The link-local address that the kernel assigns to an interface (RFC 4291, appendix A). */
export function linkLocal(mac: string): string {
  const bytes = Buffer.from(mac.replaceAll(":", ""), "hex");
  bytes[0]! ^= 2;
  const id = Buffer.concat([bytes.subarray(0, 3), Buffer.from([0xff, 0xfe]), bytes.subarray(3)]);
  return toAddress((0xfe80n << 112n) | BigInt(`0x${id.toString("hex")}`), 6);
}

export class SpoofingGuard {
  #hasTable = false;
  #guarded = new Map<string, Endpoint>();
  /**
   * Removed links. Their elements do no harm, because each link has a unique name. The kernel takes about 15 ms to remove
   * elements, so many are removed together, and never during a container's start.
   */
  readonly #stale = new Map<string, Endpoint>();
  #hash: string | undefined;
  /** Why the kernel refused the table; each repair pass tries again. */
  #refusal: string | undefined;

  constructor(
    readonly tag: string,
    /** Returns the endpoints to be guarded now: all that are connected, except those whose service may spoof. */
    readonly desired: () => Endpoint[],
    readonly warn: (text: string) => void,
    /** The file with the table's hash, for observers outside bayd; absent while the table changes and if there is none. */
    readonly file: string,
  ) {}

  /** Call it before the endpoint's link is created. */
  add(endpoint: Endpoint): void {
    const { link } = endpoint;
    if (!this.#hasTable) return this.#replace([...this.#connected(), endpoint]);
    const known = this.#guarded.get(link) ?? this.#stale.get(link);
    this.#stale.delete(link);
    this.#guarded.set(link, endpoint);
    if (known && isDeepStrictEqual(guardElements(known), guardElements(endpoint))) return; // a restart
    if (this.#stale.size >= STALE_LIMIT) this.#sweep();
    this.#apply(known ? [known] : [], [endpoint]);
  }

  /** Call it when the link was removed, or (`atOnce`) may send from any address from now on. */
  remove({ link }: Endpoint, atOnce = false): void {
    // an earlier bayd may have left a table that contains the link
    if (!this.#hasTable && atOnce) return this.#replace(this.#connected());
    const known = this.#guarded.get(link) ?? this.#stale.get(link);
    if (!known) return;
    this.#guarded.delete(link);
    if (!atOnce) return void this.#stale.set(link, known);
    this.#stale.delete(link);
    this.#apply([known], []);
  }

  /** Removes the elements of removed links. */
  #sweep(): void {
    const gone = [...this.#stale.values()];
    this.#stale.clear();
    this.#apply(gone, []);
  }

  #apply(gone: readonly Endpoint[], added: readonly Endpoint[]): void {
    this.#forget();
    const text = [
      ...gone.map((endpoint) => this.#elements("delete", endpoint)),
      ...added.map((endpoint) => this.#elements("add", endpoint)),
    ].join("");
    // another program may have changed the table
    if (this.#hasTable) this.#run(text, () => this.#replace(this.#connected()));
  }

  /**
   * Endpoints that are guarded already, such as those of builds and of containers that are starting, and those to be guarded.
   */
  #connected(): Endpoint[] {
    return [...this.#guarded.values(), ...this.desired()];
  }

  /** Removes the table, including one that a killed bayd left: no network exists. */
  clear(): void {
    // a kernel without the bridge family refuses, and has no table
    this.#run(this.#without(), () => {});
    this.#hasTable = false;
    this.#guarded.clear();
    this.#stale.clear();
    this.#forget();
  }

  /** Restores the table if another program changed or deleted it; returns true in that case. */
  repair(): boolean {
    const desired = this.desired();
    if (desired.length === 0 && !this.#hasTable) return false;
    const isKnown = desired.every(
      (endpoint) => this.#guarded.get(endpoint.link)?.address === endpoint.address,
    );
    const now = this.#hasTable ? tableDigest("bridge", this.tag) : undefined;
    this.#hash ??= now;
    if (this.#hasTable && isKnown && now !== undefined && now === this.#hash) {
      if (this.#stale.size >= STALE_ENOUGH) this.#sweep();
      return false;
    }
    const wasOurs = this.#hasTable;
    this.#replace(this.#connected());
    return wasOurs && this.#hasTable;
  }

  /** Saves the hash that the table should have. */
  save(): void {
    if (!this.#hasTable || (this.#hash !== undefined && existsSync(this.file))) return;
    this.#hash ??= tableDigest("bridge", this.tag);
    if (this.#hash !== undefined) replaceFile(this.file, this.#hash);
  }

  /** Until the new hash is known, changes of the table cannot be detected. */
  #forget(): void {
    this.#hash = undefined;
    rmSync(this.file, { force: true });
  }

  #replace(endpoints: readonly Endpoint[]): void {
    this.#stale.clear();
    this.#forget();
    this.#guarded = new Map(endpoints.map((endpoint) => [endpoint.link, endpoint]));
    const elements = [...this.#guarded.values()].map((endpoint) => this.#elements("add", endpoint));
    this.#hasTable = true;
    this.#run(this.#without() + renderGuard(this.tag) + elements.join(""), (error) => {
      this.#hasTable = false;
      this.#refuse(messageOf(error));
    });
    if (this.#hasTable) this.#refusal = undefined;
  }

  #refuse(refusal: string): void {
    if (refusal !== this.#refusal)
      this.warn(`containers can use the addresses of other containers: ${refusal}`);
    this.#refusal = refusal;
  }

  #without(): string {
    const table = `bridge ${tableName(this.tag)}`;
    return `add table ${table}\ndelete table ${table}\n`;
  }

  #elements(verb: "add" | "delete", endpoint: Endpoint): string {
    return Object.entries(guardElements(endpoint))
      .filter(([, elements]) => elements.length > 0)
      .map(
        ([name, elements]) =>
          `${verb} element bridge ${tableName(this.tag)} ${name} { ${elements.join(", ")} }\n`,
      )
      .join("");
  }

  #run(text: string, otherwise: (error: BayError) => void): void {
    if (text === "") return;
    try {
      nft(text);
    } catch (error) {
      if (!(error instanceof BayError) || !hasCode(error, "NFTABLES")) throw error;
      otherwise(error);
    }
  }
}

/** True if the table is as bayd last left it. */
export const guardIsIntact = (tag: string, file: string): boolean => equalsDigest("bridge", tag, file);

/** Tests whether this kernel has the bridge family of nftables. Leaves nothing behind. Throws NFTABLES if it has not. */
export function tryGuard(): void {
  const table = `bridge ${tableName("doctor")}`;
  nft(`add table ${table}\ndelete table ${table}\n`);
}
