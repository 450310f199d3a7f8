/** Filters of POST /build/prune choose only what they name. */
import { describe, expect, it } from "vitest";
import { chooseEntries } from "../../../../../src/daemon/api/engine/build-cache.ts";
import { BUILD_CACHE_FILTERS } from "../../../../../src/daemon/api/engine/build-cache-filters.ts";
import { parseFilters } from "../../../../../src/daemon/api/engine/filters.ts";

const OLD = "2020-01-01T00:00:00.000Z";
const entry = (id: string, more: object = {}) => ({
  id,
  type: "regular" as const,
  description: `RUN ${id}`,
  isInUse: false,
  createdAt: OLD,
  usedAt: OLD,
  size: 1,
  ...more,
});
const ENTRIES = [entry("one"), entry("two", { type: "exec.cachemount" }), entry("busy", { isInUse: true })];

const chosen = (given: Record<string, string[]>) => {
  const filters = parseFilters(JSON.stringify(given), BUILD_CACHE_FILTERS);
  return chooseEntries(ENTRIES, { isAll: true, keep: undefined, filters }).map(({ id }) => id);
};

describe("the filters of the build cache", () => {
  it.each<[Record<string, string[]>, string[]]>([
    [{}, ["one", "two"]],
    [{ label: ["a=b"] }, []],
    [{ "label!": ["a=b"] }, ["one", "two"]],
    [{ id: ["one"] }, ["one"]],
    [{ type: ["exec.cachemount"] }, ["two"]],
    [{ type: ["exec.cachemount"], id: ["one"] }, []],
    [{ description: ["RUN two"] }, ["two"]],
    [{ parent: ["one"] }, []],
    [{ inuse: ["true"] }, []],
    [{ inuse: ["false"] }, ["one", "two"]],
    [{ shared: ["1"] }, []],
    [{ private: ["1"] }, ["one", "two"]],
    [{ "unused-for": ["24h"] }, ["one", "two"]],
    [{ until: ["2019-01-01"] }, []],
  ])("%j", (filters, ids) => {
    expect(chosen(filters)).toEqual(ids);
  });

  it.each([
    { nosuch: ["1"] },
    { mutable: ["1"] },
    { inuse: ["maybe"] },
    { until: ["soon"] },
    { until: ["24h"], "unused-for": ["24h"] },
  ])("%j is an error", (filters) => {
    expect(() => chosen(filters as unknown as Record<string, string[]>)).toThrow(/invalid|more than once/);
  });
});
