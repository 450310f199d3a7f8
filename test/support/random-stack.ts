/** Random stacks, as YAML: services that need each other, share networks and volumes, and have fields of all kinds. */
import fc from "fast-check";

export type Value = string | number | boolean | null | Value[] | { [key: string]: Value };
export type RandomStack = { services: Record<string, Record<string, Value>> } & Record<string, Value>;

const NAMES = ["a", "b", "c", "d", "e"];

/** One field of a service, with some value of its own. */
export const FIELDS: Record<string, fc.Arbitrary<Value>> = {
  command: fc.constantFrom<Value>("one", ["two", "words"]),
  environment: fc.dictionary(fc.constantFrom("A", "B"), fc.constantFrom("x", "y")),
  mem_limit: fc.constantFrom("64m", "1g"),
  cpus: fc.constantFrom(0.5, 1),
  pids_limit: fc.constantFrom(10, 20),
  restart: fc.constantFrom("no", "always", "on-failure:3"),
  labels: fc.dictionary(fc.constantFrom("one", "two"), fc.constantFrom("x", "y")),
  stop_grace_period: fc.constantFrom("1s", "1m"),
  stop_signal: fc.constantFrom("SIGINT", "SIGTERM"),
  init: fc.boolean(),
  user: fc.constantFrom("app", "0:0"),
  tmpfs: fc.constantFrom<Value>("/tmp", ["/tmp", "/run"]),
  volumes: fc.uniqueArray(fc.constantFrom("data:/data", "other:/other", "/var:/var:ro", "/anonymous"), {
    maxLength: 2,
  }),
  networks: fc.uniqueArray(fc.constantFrom("front", "back"), { minLength: 1 }),
  ports: fc.constantFrom<Value>(["80"], ["443", "80/udp"]),
  healthcheck: fc.constantFrom<Value>({ test: "true" }, { test: "false", interval: "5s" }),
  cap_add: fc.constantFrom<Value>(["NET_ADMIN"], ["SYS_TIME", "NET_ADMIN"]),
  scale: fc.integer({ min: 0, max: 3 }),
  extra_hosts: fc.constantFrom<Value>(["a=10.0.0.1"], { b: "10.0.0.2" }),
  deploy: fc.constantFrom<Value>(
    { update_config: { order: "start-first", parallelism: 2 } },
    { update_config: { order: "stop-first", failure_action: "continue" } },
  ),
};

const fields = fc.record(FIELDS, { requiredKeys: [] });

/** A service needs only services before it, so that there is no circle. */
export const randomStack: fc.Arbitrary<RandomStack> = fc
  .tuple(
    fc.subarray(NAMES, { minLength: 1 }),
    fc.array(fields, { minLength: 5, maxLength: 5 }),
    fc.array(fc.array(fc.nat(), { maxLength: 2 }), { minLength: 5, maxLength: 5 }),
    fc.constantFrom<Value>(
      null,
      { internal: true },
      { labels: { a: "b" } },
      { enable_ipv6: true },
      { enable_ipv6: true, ipam: { config: [{ subnet: "fd00::/64" }, { subnet: "10.1.0.0/16" }] } },
    ),
  )
  .map(([names, each, needs, front]) => ({
    services: Object.fromEntries(
      names.map((name, index) => [
        name,
        {
          image: "app",
          ...each[index],
          ...(index > 0 && needs[index]!.length > 0
            ? { depends_on: [...new Set(needs[index]!.map((nat) => names[nat % index]!))] }
            : {}),
        } as Record<string, Value>,
      ]),
    ),
    networks: { front, back: null },
    volumes: { data: null, other: null },
  }));

/** Services that need another one, directly or not, or share something with it by name. */
export function dependentsOf({ services }: RandomStack, name: string): Set<string> {
  const found = new Set([name]);
  for (let size = 0; size !== found.size; ) {
    size = found.size;
    for (const [other, service] of Object.entries(services))
      if ((service.depends_on as string[] | undefined)?.some((need) => found.has(need))) found.add(other);
  }
  return found;
}
