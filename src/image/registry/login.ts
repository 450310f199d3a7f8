/** Checks credentials with a registry. */
import type { Credentials } from "./credentials.ts";

/** Throws REGISTRY_AUTH if the registry refuses them, REGISTRY_UNREACHABLE, and ABORTED. */
export async function checkLogin(
  registry: string,
  credentials: Credentials,
  signal?: AbortSignal,
): Promise<void> {
  const [{ RegistryClient }, { closeConnections, endpointsOf }, { readSettings }] = await Promise.all([
    import("./client.ts"),
    import("./endpoint.ts"),
    import("./settings.ts"),
  ]);
  const own = endpointsOf(registry, readSettings()).find(({ isMirror }) => !isMirror)!;
  try {
    const answer = await new RegistryClient(own, credentials).request("/v2/", {
      scopes: [],
      expect: [200],
      signal,
    });
    await answer.body.dump();
  } finally {
    // not awaited: it ends when the last transfer of the process ends
    void closeConnections();
  }
}
