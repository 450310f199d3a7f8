/** The columns of a listing for labels, as Docker's templates name them. */
import { type Column, column } from "./listing.ts";

type Labels = Readonly<Record<string, string>>;

/** `{{.Labels}}` is all of them as `NAME=VALUE,…`; `{{.Label "NAME"}}` is the value of one, empty where it is not set. */
export const labelColumns = <Row>(labelsOf: (row: Row) => Labels): Record<string, Column<Row>> => ({
  Labels: column("LABELS", (row) =>
    Object.entries(labelsOf(row))
      .map(([name, value]) => `${name}=${value}`)
      .join(","),
  ),
  Label: column("LABEL", (row) => (name: unknown) => labelsOf(row)[String(name)] ?? ""),
});
