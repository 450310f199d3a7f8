/** The filters of POST /build/prune (Docker Engine API 1.47, BuildPrune), with the engine's semantics. */
import {
  booleanOf,
  compile,
  type Filters,
  labelMeaning,
  type Meaning,
  nameTest,
  type Test,
  untilOf,
} from "./filters.ts";

export interface CacheEntry {
  id: string;
  type: "regular" | "exec.cachemount" | "source.git.checkout" | "source.local";
  description: string;
  isInUse: boolean;
  createdAt: string;
  usedAt: string;
}

/** The fields of the Engine API's build cache records. `until` and `unused-for` are one time, which is read on its own. */
const MEANING: Meaning<CacheEntry> = {
  id: (text) => {
    const test = nameTest(text);
    return ({ id }) => test(id);
  },
  type:
    (text) =>
    ({ type }) =>
      type === text,
  description:
    (text) =>
    ({ description }) =>
      description === text,
  parent: () => () => false,
  inuse: (text) => {
    const wanted = booleanOf("inuse", text);
    return ({ isInUse }) => isInUse === wanted;
  },
  shared: (text) => {
    const wanted = booleanOf("shared", text);
    return () => !wanted;
  },
  private: (text) => {
    const wanted = booleanOf("private", text);
    return () => wanted;
  },
  // entries have no labels: `docker system prune --filter label=...`, which prunes the build cache, too, removes none
  ...labelMeaning<CacheEntry>(() => ({})),
};

/** Two names of one filter: the time since the last use. */
const TIMES = ["until", "unused-for"];
export const BUILD_CACHE_FILTERS = [...TIMES, ...Object.keys(MEANING)];

/** The time, in milliseconds since 1970, before which an entry was last used; undefined if not given. Throws BAD_REQUEST. */
export function lastUseBefore(filters: Filters): number | undefined {
  const times = TIMES.flatMap((key) => filters.get(key) ?? []);
  return times.length === 0 ? undefined : untilOf(new Map([["until", times]]));
}

/** Tests an entry with all filters but those of time. Throws BAD_REQUEST. */
export function isMeantBy(filters: Filters): Test<CacheEntry> {
  return compile(new Map([...filters].filter(([key]) => !TIMES.includes(key))), MEANING);
}
