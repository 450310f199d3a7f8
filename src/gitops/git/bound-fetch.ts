/** Limits on a fetch: its time, and the size of what the server sends. */
import { join } from "node:path";
import { BayError, messageOf } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { withoutPasswords } from "../../core/redaction.ts";

const MAX_PACK = LIMITS.gitops.packBytes;
const LOOK_AT_PACK = 500;

/** Runs an action with a signal that also aborts after a time. Throws GITOPS_TIMEOUT. */
export async function within<T>(
  milliseconds: number,
  signal: AbortSignal,
  remote: string,
  action: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const abort = new AbortController();
  const late = new BayError(
    "GITOPS_TIMEOUT",
    `${withoutPasswords(remote)} did not answer within ${milliseconds / 1000} seconds`,
  );
  const timer = setTimeout(() => abort.abort(late), milliseconds);
  return action(AbortSignal.any([signal, abort.signal])).finally(() => clearTimeout(timer));
}

/** A signal that also aborts when a pack that is being received grows too large. */
export function boundPack(repository: string, signal: AbortSignal): [AbortSignal, () => void] {
  const abort = new AbortController();
  const look = async () => {
    const { readdir, stat } = await import("node:fs/promises");
    const folder = join(repository, "objects", "pack");
    for (const name of await readdir(folder).catch(() => [])) {
      if (!name.startsWith("tmp_pack_")) continue;
      const size = await stat(join(folder, name)).then(
        ({ size }) => size,
        () => 0,
      );
      if (size > MAX_PACK)
        abort.abort(
          new BayError("GITOPS_COMMIT", `the repository sent more than ${MAX_PACK >> 20} MiB for one commit`),
        );
    }
  };
  const timer = setInterval(() => void look().catch((error: unknown) => messageOf(error)), LOOK_AT_PACK);
  return [AbortSignal.any([signal, abort.signal]), () => clearInterval(timer)];
}
