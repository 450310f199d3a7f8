/** Comma-separated fields in flags of builds. */
export { csvFields } from "../core/csv.ts";
