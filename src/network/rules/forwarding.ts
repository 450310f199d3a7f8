/**
 * The host's switch for forwarding packets (Documentation/networking/ip-sysctl). If bay enables it, the host does not become
 * a router for interfaces that are not bay's: packets that were not forwarded between them before are dropped. With its last
 * network, bay disables what it enabled, unless another program may rely on it by then.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { hasCode } from "../../core/errors.ts";
import type { Version } from "../../core/ip.ts";
import { nft } from "../../linux/index.ts";
import { replaceFile, type Store } from "../../store/index.ts";
import { withLinks } from "../drivers/bridge.ts";
import { kernelFile } from "../kernel-files.ts";
import { type NetworkRecord, subnetsOf } from "../model/network.ts";
import { isPlainName, renderForeignRules, type SwitchedOn, type SwitchedVersions } from "./foreign-rules.ts";
import { hasIpv6, tableName } from "./rules.ts";
import { equalsDigest, tableDigest } from "./table-digest.ts";

const KEY = "forwarding";
const conf = (version: Version) => kernelFile(`/proc/sys/net/ipv${version}/conf`);
const switchOf = (version: Version) =>
  version === 4 ? kernelFile("/proc/sys/net/ipv4/ip_forward") : `${conf(6)}/all/forwarding`;

/** What bay changed. It is valid for one boot and one network namespace: others have their own switches. */
interface ForwardingRecord {
  host: string;
  versions: SwitchedVersions;
  /** Links that accepted router advertisements while the host did not forward. */
  listeners?: string[];
}

export interface ForwardingOptions {
  tag: string;
  store: Store;
  networks: () => readonly NetworkRecord[];
  /** The file with the table's digest, for observers outside bayd. */
  file: string;
  /** The administrator allows the host to route between other interfaces (ip-forward-no-drop). */
  mayRouteOthers: () => boolean;
}

export class Forwarding {
  #applied: string | undefined;
  #digest: string | undefined;

  constructor(readonly options: ForwardingOptions) {}

  /** Enables forwarding that networks need; returns a line for each IP version that was off. Throws NFTABLES. */
  ensure(): string[] {
    const off = this.#needed().filter((version) => !isOn(version));
    if (off.length > 0) this.#switchOn(off);
    return off.map((version) => `forwarding of IPv${version}`);
  }

  /** Like `ensure`; also repairs the table, and disables forwarding that is no longer used. */
  repair(): string[] {
    const repairs = this.ensure();
    this.release();
    if (this.#digest !== undefined && this.#digest !== tableDigest("inet", this.options.tag)) {
      this.#applied = undefined;
      repairs.push("nftables rules against forwarding between other interfaces");
    }
    this.apply();
    return repairs;
  }

  /** Updates the table to match the record. */
  apply(): void {
    const { tag, file, mayRouteOthers, networks } = this.options;
    const versions = mayRouteOthers() ? {} : (this.#record()?.versions ?? {});
    const subnets = networks().flatMap((network) => subnetsOf(network).map(({ subnet }) => subnet));
    const bridges = networks().map(({ bridge }) => bridge);
    const rules = renderForeignRules(tag, versions, { subnets, bridges });
    if (rules === this.#applied) return;
    rmSync(file, { force: true });
    nft(rules);
    this.#applied = rules;
    this.#digest = tableDigest("inet", tag);
    if (this.#digest !== undefined) replaceFile(file, this.#digest);
  }

  /** Disables what bay enabled, if no network of bay and no other program needs it. */
  release(): void {
    const record = this.#record();
    if (!record || this.options.mayRouteOthers()) return;
    const needed = this.#needed();
    const versions = ([4, 6] as const).filter(
      (version) => record.versions[version] && !needed.includes(version),
    );
    for (const version of versions) {
      if (isOn(version)) {
        if (this.#isUsedByOthers(version, record.versions[version]!)) continue;
        this.#switchOff(version, record);
      }
      delete record.versions[version];
      if (Object.keys(record.versions).length > 0) this.options.store.put(KEY, record);
      else this.options.store.delete(KEY);
    }
    if (versions.length > 0) this.apply();
  }

  #needed(): Version[] {
    const networks = this.options.networks();
    return networks.length === 0 ? [] : hasIpv6(networks) ? [4, 6] : [4];
  }

  #record(): ForwardingRecord | undefined {
    const record = this.options.store.get<ForwardingRecord>(KEY);
    return record?.host === thisHost() ? structuredClone(record) : undefined;
  }

  /** The record and the rules come first, so that a kill at any moment does not leave the host as a router. */
  #switchOn(off: readonly Version[]): void {
    const record = this.#record() ?? { host: thisHost(), versions: {} };
    for (const version of off) record.versions[version] = this.#look(version);
    if (off.includes(6)) record.listeners = listeners();
    this.options.store.put(KEY, record);
    this.apply();
    // a host that forwards ignores router advertisements, unless accept_ra is 2
    if (off.includes(6)) for (const link of record.listeners!) writeConf(6, link, "accept_ra", "2");
    for (const version of off) writeFileSync(switchOf(version), "1");
  }

  /** The switch sets all interfaces, so forwarding is enabled again for those that had it before. */
  #switchOff(version: Version, record: ForwardingRecord): void {
    const { present, closed } = record.versions[version]!;
    writeFileSync(switchOf(version), "0");
    for (const link of present) if (!closed.includes(link)) writeConf(version, link, "forwarding", "1");
    if (version === 4) return;
    for (const link of record.listeners ?? [])
      if (readConf(6, link, "accept_ra") === "2") writeConf(6, link, "accept_ra", "1");
    delete record.listeners;
  }

  #look(version: Version): SwitchedOn {
    const present = this.#others().filter(isPlainName);
    return { present, closed: present.filter((name) => readConf(version, name, "forwarding") !== "1") };
  }

  #others(): string[] {
    const { tag } = this.options;
    return withLinks((links) => links.list())
      .map(({ name }) => name)
      .filter((name) => name !== "lo" && !name.startsWith(`bay${tag}-`) && !name.startsWith(`ve${tag}`));
  }

  /** An interface created since, or a program that translates sources, may need the host to forward. */
  #isUsedByOthers(version: Version, { present }: SwitchedOn): boolean {
    const others = this.#others().filter(isPlainName);
    return others.some((name) => !present.includes(name)) || isTranslating(version, this.options.tag);
  }
}

/** True if the table is as bayd last left it. */
export const forwardingIsIntact = (tag: string, file: string): boolean => equalsDigest("inet", tag, file);

/** Whether bay prevents the host from forwarding between other interfaces. */
export const dropsForeign = (tag: string): boolean => tableDigest("inet", tag) !== undefined;

const isOn = (version: Version) => readFileSync(switchOf(version), "utf8").trim() !== "0";

function thisHost(): string {
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  return `${boot} ${readlinkSync("/proc/thread-self/ns/net")}`;
}

function listeners(): string[] {
  return readdirSync(conf(6)).filter((link) => readConf(6, link, "accept_ra") === "1");
}

function readConf(version: Version, link: string, key: string): string | undefined {
  const file = `${conf(version)}/${link}/${key}`;
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** Ignores a link that has disappeared. */
function writeConf(version: Version, link: string, key: string, value: string): void {
  try {
    writeFileSync(`${conf(version)}/${link}/${key}`, value);
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

const isGone = (error: unknown) => hasCode(error, "ENOENT") || hasCode(error, "EINVAL");

/** Whether a table of another program translates sources, with nftables or legacy iptables. */
function isTranslating(version: Version, tag: string): boolean {
  const legacy = kernelFile(`/proc/net/${version === 4 ? "ip" : "ip6"}_tables_names`);
  if (existsSync(legacy) && /^nat$/m.test(readFileSync(legacy, "utf8"))) return true;
  const own = tableName(tag);
  return [...nft("list chains").matchAll(/^table (\S+) (\S+) \{([\s\S]*?)^\}/gm)].some(
    ([, , name, chains]) => name !== own && /type nat hook postrouting/.test(chains ?? ""),
  );
}
