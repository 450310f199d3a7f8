/** `RegistryConfig` of GET /info: the mirrors and the insecure registries that the administrator has set. Pure. */

/** As in registries.json and daemon.json: mirrors by registry, `docker.io` for Docker Hub, and hosts without TLS. */
interface Given {
  mirrors: Readonly<Record<string, readonly string[]>>;
  insecure: readonly string[];
}

const HUB = "docker.io";
/** Docker has loopback addresses in the list, too. */
const LOOPBACK = ["::1/128", "127.0.0.0/8"];

export function registryConfigShape({ mirrors, insecure }: Given) {
  const mirrorsOf = (name: string) => (mirrors[name] ?? []).map(toBase);
  const names = [...new Set([HUB, ...Object.keys(mirrors), ...insecure])];
  return {
    AllowNondistributableArtifactsCIDRs: [],
    AllowNondistributableArtifactsHostnames: [],
    InsecureRegistryCIDRs: LOOPBACK,
    IndexConfigs: Object.fromEntries(
      names.map((name) => [
        name,
        {
          Name: name,
          Mirrors: mirrorsOf(name),
          Secure: !insecure.includes(name),
          Official: name === HUB,
        },
      ]),
    ),
    Mirrors: mirrorsOf(HUB),
  };
}

/** The URL of a mirror as Docker shows it: with a scheme and a slash at the end. */
function toBase(mirror: string): string {
  const url = /^https?:\/\//.test(mirror) ? mirror : `https://${mirror}`;
  return url.endsWith("/") ? url : `${url}/`;
}
