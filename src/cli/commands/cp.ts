import { BayError } from "../../errors.ts";
import type { Context } from "../context.ts";

/** Copying between containers and the host needs the archive routes. */
export async function cp(_context: Context, _args: string[]): Promise<void> {
  throw new BayError("UNSUPPORTED", "bay cp is not supported yet", { hint: "use a volume, or bay exec SERVICE tar -c … | tar -x" });
}
