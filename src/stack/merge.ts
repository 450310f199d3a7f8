/** Merging stack files, later over earlier, by the Compose specification's rules (13-merge.md). */

type Value = unknown;
type Mapping = Record<string, Value>;

export const isMapping = (value: Value): value is Mapping =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Service keys whose later value replaces the earlier one whole. */
const REPLACED = new Set(["command", "entrypoint", "test", "env_file_replace"]);
/** Service keys that are lists or mappings of NAME and value: both are read as mappings. */
const MAPPED = new Set(["environment", "labels", "annotations", "sysctls"]);
/** Lists whose entries are told apart by their place in the container. */
const BY_TARGET = new Set(["volumes", "devices"]);

/** Merges two values at a path; neither is changed. */
export function mergeValues(base: Value, over: Value, key = "", depth = 0): Value {
  if (over === undefined) return base;
  if (base === undefined || base === null || REPLACED.has(key)) return over;
  if (depth === 3 && MAPPED.has(key)) return { ...toMapping(base), ...toMapping(over) };
  if (depth === 3 && key === "networks") return mergeValues(fromNames(base, {}), fromNames(over, {}), "", 9);
  if (depth === 3 && key === "depends_on") {
    const plain = { condition: "service_started" };
    return mergeValues(fromNames(base, plain), fromNames(over, plain), "", 9);
  }
  if (depth === 3 && key === "extra_hosts") return { ...hostsMapping(base), ...hostsMapping(over) };
  if (depth === 3 && key === "build") {
    const long = (value: Value) => (typeof value === "string" ? { context: value } : value);
    return mergeValues(long(base), long(over), "", 9);
  }
  if (isMapping(base) && isMapping(over)) {
    const merged: Mapping = { ...base };
    for (const [name, value] of Object.entries(over))
      merged[name] = mergeValues(base[name], value, name, depth + 1);
    return merged;
  }
  if (Array.isArray(over) || Array.isArray(base)) {
    const all = [...[base].flat(), ...[over].flat()];
    return depth === 3 && BY_TARGET.has(key) ? lastByTarget(all) : unique(all);
  }
  return over;
}

/** `[A=1, B]` and `{A: 1, B: null}` as one mapping. */
export function toMapping(value: Value): Record<string, Value> {
  if (isMapping(value)) return value;
  const mapping: Record<string, Value> = {};
  for (const entry of Array.isArray(value) ? value : []) {
    const text = String(entry);
    const at = text.indexOf("=");
    if (at === -1) mapping[text] = null;
    else mapping[text.slice(0, at)] = text.slice(at + 1);
  }
  return mapping;
}

function fromNames(value: Value, each: Mapping): Value {
  if (Array.isArray(value)) return Object.fromEntries(value.map((name) => [String(name), each]));
  if (!isMapping(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, entry ?? each]));
}

/** `[a=1.2.3.4, b:5.6.7.8]` as a mapping; one name may have several addresses. */
function hostsMapping(value: Value): Mapping {
  if (isMapping(value)) return value;
  const mapping: Record<string, string[]> = {};
  for (const entry of Array.isArray(value) ? value : []) {
    const [, name = String(entry), address = ""] = /^([^=:]+)[=:](.*)$/.exec(String(entry)) ?? [];
    mapping[name] = [...(mapping[name] ?? []), address];
  }
  return mapping;
}

function lastByTarget(entries: Value[]): Value[] {
  const byTarget = new Map<string, Value>();
  for (const entry of entries) {
    const target = isMapping(entry) ? String(entry.target) : targetOf(String(entry));
    byTarget.delete(target);
    byTarget.set(target, entry);
  }
  return [...byTarget.values()];
}

function targetOf(text: string): string {
  const parts = text.split(":");
  return parts.length === 1 ? parts[0]! : parts[1]!;
}

function unique(entries: Value[]): Value[] {
  const seen = new Set<string>();
  return entries.filter((entry) => {
    const key = JSON.stringify(entry);
    return seen.has(key) ? false : seen.add(key);
  });
}
