/** Merging stack files, later over earlier, by the Compose specification's rules (13-merge.md). */

import { posix } from "node:path";
import { type Origin, Origins } from "./origins.ts";

type Value = unknown;
type Mapping = Record<string, Value>;

export const isMapping = (value: Value): value is Mapping =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Whether a later value replaces the earlier one whole: commands of services and images, and tests of health checks. */
const isReplaced = (key: string, depth: number) =>
  ((depth === 3 || depth === INSIDE) && (key === "command" || key === "entrypoint")) ||
  ((depth === INSIDE || depth === INSIDE + 1) && key === "test");
/** Service keys that are a string or a list: a string is a list with one entry. */
const STRING_LISTS = new Set(["env_file", "dns", "dns_search", "tmpfs", "label_file"]);
const isStringList = (key: string, depth: number) =>
  (depth === 3 && STRING_LISTS.has(key)) || (depth === INSIDE && key === "no_cache_filter");
/** Mappings of names and values in which null has a meaning: it takes the variable from the environment. */
const IN_VALUES = 9;
/** Service keys that are lists or mappings of NAME and value: both are converted to mappings. */
const MAPPED = new Set(["environment", "labels", "annotations", "sysctls"]);
/** The same in a service's build and deploy. */
const MAPPED_INSIDE = new Set(["args", "labels", "ssh", "additional_contexts"]);
const INSIDE = 4;
/** Top-level keys with the names of hosts. */
export const HOSTS: ReadonlySet<string> = new Set(["hosts", "x-bay-hosts"]);
/** Lists of a service in which a later entry replaces an earlier one with the same key, and how the key is found. */
const IDENTITIES: Readonly<Record<string, (value: Value) => string>> = {
  volumes: targetOf,
  devices: targetOf,
  ports: portOf,
  secrets: (value) => givenTarget(value, "/run/secrets"),
  configs: (value) => givenTarget(value, "/"),
};

/** The places of two values themselves, for parts of them without a known place: text that becomes a list or a mapping. */
type Places = readonly [base: readonly Origin[], over: readonly Origin[]];

/** Merges two values at a path; neither is changed. The places of both are kept, the later first. */
export function mergeValues(
  base: Value,
  over: Value,
  origins = new Origins(),
  key = "",
  depth = 0,
  [ofBase, ofOver]: Places = [[], []],
): Value {
  if (over === undefined) return base;
  if (base === undefined || base === null) return over;
  if (over === null && depth <= IN_VALUES) return base;
  if (isReplaced(key, depth)) return over;
  const merge = (a: Value, b: Value, level = IN_VALUES) => mergeValues(a, b, origins, "", level);
  if (depth === 1 && HOSTS.has(key)) return mergeHosts(base, over, origins);
  if ((depth === 3 && MAPPED.has(key)) || (depth === INSIDE && MAPPED_INSIDE.has(key)))
    return merge(toMapping(base, origins), toMapping(over, origins));
  if (depth === 3 && key === "networks")
    return merge(fromNames(base, {}, origins), fromNames(over, {}, origins));
  if (depth === 3 && key === "depends_on") {
    const plain = { condition: "service_started" };
    return merge(fromNames(base, plain, origins), fromNames(over, plain, origins));
  }
  if ((depth === 3 || depth === INSIDE) && key === "extra_hosts")
    return joinedHosts(hostsMapping(base), hostsMapping(over));
  if (depth === 3 && key === "build") {
    const long = (value: Value, own: readonly Origin[]) => {
      if (typeof value !== "string") return value;
      const build = { context: value };
      origins.note(build, "context", own);
      return build;
    };
    return merge(long(base, ofBase), long(over, ofOver), INSIDE - 1);
  }
  // options of one driver have no meaning for another
  if (depth === 3 && key === "logging" && driverOf(base) !== driverOf(over) && driverOf(over)) return over;
  if (isMapping(base) && isMapping(over)) return mergeMappings(base, over, origins, depth);
  if (Array.isArray(over) || Array.isArray(base) || isStringList(key, depth)) {
    const all = [...entriesOf(base, origins, ofBase), ...entriesOf(over, origins, ofOver)];
    const identity = depth === 3 ? IDENTITIES[key] : undefined;
    return withPlaces(identity ? lastOfEach(all, identity) : unique(all), origins);
  }
  return over;
}

/** Lists and mappings of hosts are merged by name; `all` replaces them, and is replaced by them. */
function mergeHosts(base: Value, over: Value, origins: Origins): Value {
  const [first, second] = [base, over].map((value) => hostsByName(value, origins));
  return isMapping(first) && isMapping(second) ? mergeValues(first, second, origins, "", 1) : over;
}

/** A list of hosts as a mapping; every other value is returned unchanged. */
export const hostsByName = (value: Value, origins: Origins): Value =>
  Array.isArray(value) && value.every((name) => typeof name === "string")
    ? fromNames(value, {}, origins)
    : value;

/** `!reset` removes a key, and `!override` replaces the whole earlier value. */
function mergeMappings(base: Mapping, over: Mapping, origins: Origins, depth: number): Mapping {
  const merged: Mapping = { ...base };
  origins.copy(base, merged);
  for (const [name, value] of Object.entries(over)) {
    const tag = origins.tag(over, name);
    if (tag === "reset") {
      delete merged[name];
      origins.noteRemoved(merged, name, [...origins.of(over, name), ...origins.of(base, name)]);
      continue;
    }
    const places = [origins.of(base, name), origins.of(over, name)] as const;
    merged[name] =
      tag === "override" ? value : mergeValues(base[name], value, origins, name, depth + 1, places);
    // a null that changes nothing is not where the value comes from
    const isKept = value === null && merged[name] !== null;
    const later = isKept ? [] : origins.of(over, name);
    origins.note(merged, name, [...later, ...origins.of(base, name)]);
  }
  return merged;
}

/** A value without the parts tagged `!reset`, if there is nothing below it to merge with. */
export function withoutResets(value: Value, origins: Origins): Value {
  if (Array.isArray(value)) {
    const list = value.map((entry) => withoutResets(entry, origins));
    origins.copy(value, list);
    return list;
  }
  if (!isMapping(value)) return value;
  const kept: Mapping = {};
  origins.copy(value, kept);
  for (const [name, entry] of Object.entries(value)) {
    if (origins.tag(value, name) === "reset") {
      origins.noteRemoved(kept, name, origins.of(value, name));
      continue;
    }
    Object.defineProperty(kept, name, {
      value: withoutResets(entry, origins),
      writable: true,
      enumerable: true,
      configurable: true,
    });
  }
  return kept;
}

interface Entry {
  value: Value;
  from: readonly Origin[];
}

/** A list's entries; a single value becomes a list. */
function entriesOf(value: Value, origins: Origins, own: readonly Origin[]): Entry[] {
  if (!Array.isArray(value)) return [{ value, from: own }];
  return value.map((entry, index) => ({ value: entry, from: origins.of(value, index) }));
}

function withPlaces(entries: readonly Entry[], origins: Origins): Value[] {
  const list = entries.map(({ value }) => value);
  entries.forEach(({ from }, index) => {
    origins.note(list, index, from);
  });
  return list;
}

/** `[A=1, B]` and `{A: 1, B: null}` as one mapping. */
export function toMapping(value: Value, origins?: Origins): Record<string, Value> {
  if (isMapping(value)) return value;
  const mapping: Record<string, Value> = {};
  (Array.isArray(value) ? value : []).forEach((entry, index) => {
    const text = String(entry);
    const at = text.indexOf("=");
    const name = at === -1 ? text : text.slice(0, at);
    mapping[name] = at === -1 ? null : text.slice(at + 1);
    origins?.note(mapping, name, origins.of(value, index));
  });
  return mapping;
}

function fromNames(value: Value, each: Mapping, origins: Origins): Value {
  if (!Array.isArray(value) && !isMapping(value)) return value;
  const named: Mapping = {};
  const entries = Array.isArray(value)
    ? value.map((name, index) => [String(name), each, index] as const)
    : Object.entries(value).map(([name, entry]) => [name, entry ?? each, name] as const);
  for (const [name, entry, step] of entries) {
    const own = origins.of(value, step);
    named[name] = entry === each ? { ...each } : entry;
    origins.note(named, name, own);
    // a name without a value has the place of the name
    if (entry === each) for (const key of Object.keys(each)) origins.note(named[name] as Mapping, key, own);
  }
  return named;
}

/** `[a=1.2.3.4, b:5.6.7.8]` as a mapping; one name can have several addresses. */
function hostsMapping(value: Value): Mapping {
  if (isMapping(value)) return value;
  const addresses = new Map<string, string[]>();
  for (const entry of Array.isArray(value) ? value : []) {
    const [, name = String(entry), address = ""] = /^([^=:]+)[=:](.*)$/.exec(String(entry)) ?? [];
    const known = addresses.get(name);
    if (known) known.push(address);
    else addresses.set(name, [address]);
  }
  return Object.fromEntries(addresses);
}

/** The addresses of both, as a name may have several; one that both have is kept once. */
function joinedHosts(base: Mapping, over: Mapping): Mapping {
  const joined = new Map<string, Value>(Object.entries(base));
  for (const [name, value] of Object.entries(over)) {
    const before = joined.get(name);
    joined.set(name, before === undefined ? value : [...new Set([before, value].flat())]);
  }
  return Object.fromEntries(joined);
}

/** Of entries with the same key, keeps the last, at the position of the first. */
function lastOfEach(entries: readonly Entry[], identity: (value: Value) => string): Entry[] {
  const byIdentity = new Map<string, Entry[]>();
  for (const entry of entries) {
    const key = identity(entry.value);
    const known = byIdentity.get(key);
    if (known) known.push(entry);
    else byIdentity.set(key, [entry]);
  }
  return [...byIdentity.values()].map((same) => {
    const latestFirst = same.reverse();
    return { value: latestFirst[0]!.value, from: latestFirst.flatMap(({ from }) => from) };
  });
}

function unique(entries: readonly Entry[]): Entry[] {
  const seen = new Set<string>();
  return entries.filter(({ value }) => {
    const key = JSON.stringify(value);
    return seen.has(key) ? false : seen.add(key);
  });
}

/** The target of a volume or a device in the container. */
function targetOf(value: Value): string {
  if (isMapping(value)) return String(value.target ?? value.source);
  const parts = String(value).split(":");
  return parts.length === 1 ? parts[0]! : parts[1]!;
}

/** The address, both ports and the protocol, in the short or long form. */
function portOf(value: Value): string {
  if (isMapping(value)) {
    const { host_ip: address = "", published = "", target = "", protocol = "tcp" } = value;
    return [address, published, target, protocol].join(" ");
  }
  const [main = "", protocol = "tcp"] = String(value).split("/");
  const [target = "", published = "", ...address] = splitPort(main).reverse();
  return [
    address
      .reverse()
      .join(":")
      .replace(/^\[|\]$/g, ""),
    published,
    target,
    protocol,
  ].join(" ");
}

/** An IPv6 address contains colons itself. */
const splitPort = (text: string): string[] => {
  const address = /^(\[[^\]]*\]):(.*)$/.exec(text);
  return address ? [address[1]!, ...address[2]!.split(":")] : text.split(":");
};

function givenTarget(value: Value, home: string): string {
  const target = isMapping(value) ? (value.target ?? value.source) : value;
  return posix.resolve(home, String(target));
}

const driverOf = (value: Value): Value => (isMapping(value) ? value.driver : undefined);
