/** Helpers for the plain values of a Compose file. */

export type Mapping = Record<string, unknown>;

export const text = (value: number | undefined) => (value === undefined ? undefined : String(value));
export const orNull = (mapping: Mapping) => (Object.keys(mapping).length > 0 ? mapping : null);

export function mapped<T>(entries: Record<string, T>, show: (value: T) => unknown): Mapping {
  return Object.fromEntries(Object.entries(entries).map(([key, value]) => [key, show(value)]));
}

/** Without undefined values, empty lists and empty mappings. An empty command is kept. */
export function filled(mapping: Mapping): Mapping {
  const says = ([key, value]: [string, unknown]) =>
    value !== undefined &&
    (key === "command" ||
      key === "entrypoint" ||
      typeof value !== "object" ||
      value === null ||
      Object.keys(value).length > 0);
  return Object.fromEntries(Object.entries(mapping).filter(says));
}

/** Doubles dollar signs, as in any Compose file. */
export function escapeDollars(value: unknown): unknown {
  if (typeof value === "string") return value.replaceAll("$", "$$$$");
  if (Array.isArray(value)) return value.map(escapeDollars);
  if (typeof value !== "object" || value === null) return value;
  return mapped(value as Mapping, escapeDollars);
}
