/** The newest tag of an image by the policy of its service. Pure. */
import semver from "semver";
import type { ImageUpdate } from "../../stack/index.ts";

/** The tag to use: never an older one than the current, which is undefined if it is not a tag that the policy knows. */
export function newestTag(policy: ImageUpdate, tags: readonly string[], current: string): string | undefined {
  return policy.policy === "semver"
    ? newestVersion(policy.range, tags, current)
    : newestOf(policy.pattern, tags, current);
}

function newestVersion(range: string, tags: readonly string[], current: string): string | undefined {
  const versionOf = (tag: string) => semver.parse(tag, { loose: true });
  const own = versionOf(current);
  let best: { tag: string; version: semver.SemVer } | undefined;
  for (const tag of tags) {
    const version = versionOf(tag);
    if (!version || !semver.satisfies(version, range)) continue;
    if (own && semver.lte(version, own)) continue;
    if (!best || semver.gt(version, best.version)) best = { tag, version };
  }
  return best?.tag;
}

function newestOf(pattern: string, tags: readonly string[], current: string): string | undefined {
  const [before = "", after = ""] = pattern.split("*");
  const partOf = (tag: string): string | undefined =>
    tag.length > before.length + after.length && tag.startsWith(before) && tag.endsWith(after)
      ? tag.slice(before.length, tag.length - after.length)
      : undefined;
  let best = { tag: "", part: partOf(current) };
  for (const tag of tags) {
    const part = partOf(tag);
    if (part !== undefined && (best.part === undefined || compareParts(part, best.part) > 0))
      best = { tag, part };
  }
  return best.tag || undefined;
}

/** Digits are compared as numbers of any length, everything else as text: `9` comes before `10`. */
export function compareParts(a: string, b: string): number {
  const [left, right] = [piecesOf(a), piecesOf(b)];
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    const order = comparePieces(left[at] ?? "", right[at] ?? "");
    if (order !== 0) return order;
  }
  return a < b ? -1 : a > b ? 1 : 0;
}

const piecesOf = (text: string): string[] => text.match(/\d+|\D+/g) ?? [];

function comparePieces(a: string, b: string): number {
  if (!/^\d/.test(a) || !/^\d/.test(b)) return a < b ? -1 : a > b ? 1 : 0;
  const [x, y] = [a.replace(/^0+/, ""), b.replace(/^0+/, "")];
  return x.length - y.length || (x < y ? -1 : x > y ? 1 : 0);
}
