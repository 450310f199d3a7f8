/** Converts --filter options to the query that the routes of the Docker Engine API expect. */
import { BayError } from "../core/errors.ts";

/** `KEY=VALUE` and `KEY!=VALUE`, with `more` added, as the value of `filters`. Throws BAD_OPTION for one without a =. */
export function filterQuery(
  filters: readonly string[] = [],
  more: Readonly<Record<string, readonly string[]>> = {},
): string {
  const all: Record<string, readonly string[]> = { ...more };
  for (const filter of filters) {
    const [key = "", value] = filter.split(/=(.*)/s);
    if (key === "" || value === undefined)
      throw new BayError("BAD_OPTION", `invalid filter ${JSON.stringify(filter)}`, {
        hint: "expected KEY=VALUE, for example label=KEY",
      });
    all[key] = [...(all[key] ?? []), value];
  }
  return encodeURIComponent(JSON.stringify(all));
}
