/** Placement, rule by rule. */
import { describe, expect, it } from "vitest";
import {
  checkPlaced,
  type PlacementHost,
  place,
  showAssignment,
  showRemoval,
} from "../../../src/placement/index.ts";
import { containers, hostNamed, hostsNamed, placesOf, stackOf } from "../../support/placement.ts";

const ABC = hostsNamed("a", "b", "c");
const NONE = { containers: [], volumes: [] };
const running = (text: string, volumes: { name: string; host: string }[] = []) => ({
  containers: containers(text),
  volumes,
});

describe("placing a new service", () => {
  it("spreads its containers, and gives the reason for each", () => {
    const { assignments } = place(stackOf("{web: {image: x, scale: 4}, db: {image: x}}"), ABC, NONE);
    expect(assignments.map(showAssignment)).toEqual([
      "db.1 -> host a: spread, first by name",
      "web.1 -> host b: spread, fewest containers of the stack",
      "web.2 -> host c: spread, fewest containers of web",
      "web.3 -> host a: spread, fewest containers of web",
      "web.4 -> host b: spread, fewest containers of the stack",
    ]);
  });

  it("places no container if there are to be none", () => {
    expect(place(stackOf("{web: {image: x, scale: 0}}"), ABC, NONE)).toEqual({
      assignments: [],
      removals: [],
      unplaced: [],
    });
  });

  it("follows --scale rather than the file", () => {
    const result = place(stackOf("{web: {image: x, scale: 1}}"), ABC, NONE, { scale: { web: 2 } });
    expect(placesOf(result)).toBe("web.1 a, web.2 b");
  });
});

/** Each row: the service, the hosts that differ, what is placed. */
describe("hosts that a service may run on", () => {
  const labelled = [
    hostNamed("a", { labels: { disk: "SSD", zone: "east" }, role: "manager", engineLabels: { gpu: "yes" } }),
    hostNamed("b", { labels: { disk: "hdd", zone: "west" }, address: "10.9.0.1" }),
    hostNamed("c", { labels: { zone: "west" }, platform: { os: "linux", architecture: "aarch64" } }),
  ];
  const where = (keys: string, hosts: PlacementHost[] = labelled) => {
    const { assignments } = place(stackOf(`{web: {image: x, scale: 3, ${keys}}}`), hosts, NONE);
    return [...new Set(assignments.map(({ host }) => host))].sort().join("");
  };

  it.each([
    ["host: b", "b"],
    ["host: [a, c]", "ac"],
    ["platform: linux/arm64", "c"],
    ["platform: linux/amd64", "ab"],
    ["platform: linux", "abc"],
    ["deploy: {placement: {constraints: [node.hostname == b]}}", "b"],
    ["deploy: {placement: {constraints: [node.hostname != b]}}", "ac"],
    ["deploy: {placement: {constraints: [node.id == ID-A]}}", "a"],
    ["deploy: {placement: {constraints: [node.role == Manager]}}", "a"],
    ["deploy: {placement: {constraints: [node.role != manager]}}", "bc"],
    ["deploy: {placement: {constraints: [node.ip == 10.9.0.1]}}", "b"],
    ["deploy: {placement: {constraints: [node.ip != 10.9.0.0/16]}}", "ac"],
    ["deploy: {placement: {constraints: [node.ip == fd00::/8]}}", ""],
    ["deploy: {placement: {constraints: [node.platform.os == linux]}}", "abc"],
    ["deploy: {placement: {constraints: [node.platform.arch == arm64]}}", "c"],
    ["deploy: {placement: {constraints: [node.platform.arch == x86_64]}}", "ab"],
    ["deploy: {placement: {constraints: [node.labels.disk == ssd]}}", "a"],
    ["deploy: {placement: {constraints: [node.labels.disk != ssd]}}", "bc"],
    ["deploy: {placement: {constraints: [node.labels.Disk == ssd]}}", ""],
    ["deploy: {placement: {constraints: [node.labels.constructor != x]}}", "abc"],
    ["deploy: {placement: {constraints: [engine.labels.gpu == yes]}}", "a"],
    ["deploy: {placement: {constraints: [node.labels.zone == west, node.labels.disk == hdd]}}", "b"],
  ])("%s", (keys, hosts) => {
    expect(where(keys)).toBe(hosts);
  });

  it("are ready: a drained or unreachable one gets nothing new", () => {
    const [a, b, c] = labelled as [PlacementHost, PlacementHost, PlacementHost];
    expect(where("cpus: 1", [{ ...a, state: "drained" }, b, { ...c, state: "unreachable" }])).toBe("b");
  });

  it("are at most half full of one service with max_replicas_per_node", () => {
    const stack = stackOf("{web: {image: x, scale: 4, deploy: {placement: {max_replicas_per_node: 1}}}}");
    const { assignments, unplaced } = place(stack, ABC, NONE);
    expect(placesOf({ assignments })).toBe("web.1 a, web.2 b, web.3 c");
    expect(unplaced[0]!.numbers).toEqual([4]);
    expect(unplaced[0]!.hosts[0]!.why).toEqual(["has 1 of at most 1 containers of web"]);
  });

  it("have their own ports free", () => {
    const port = "ports: [{target: 80, published: 80, mode: host}]";
    const stack = stackOf(`{web: {image: x, scale: 2, ${port}}, other: {image: x, ${port}}}`);
    expect(placesOf(place(stack, ABC, NONE))).toBe("other.1 a, web.1 b, web.2 c");
    const { unplaced } = place(stack, hostsNamed("a", "b"), NONE);
    expect(unplaced[0]!.hosts.map(({ why }) => why[0])).toEqual([
      "port 80/tcp is taken by other",
      "port 80/tcp is taken by web",
    ]);
  });

  it("have a free port of a range", () => {
    const stack = stackOf('{web: {image: x, scale: 3, ports: ["8000-8001:80"]}}');
    expect(placesOf(place(stack, hostsNamed("a", "b"), NONE))).toBe("web.1 a, web.2 b, web.3 a");
    expect(place(stack, hostsNamed("a"), NONE).unplaced).toMatchObject([
      { numbers: [3], hosts: [{ why: ["all ports of 8000-8001 are taken"] }] },
    ]);
  });

  it("may share the ports of all hosts", () => {
    const stack = stackOf('{web: {image: x, scale: 2, ports: ["80:80"]}}');
    expect(placesOf(place(stack, hostsNamed("a"), NONE))).toBe("web.1 a, web.2 a");
  });
});

describe("preferences", () => {
  const zoned = [
    hostNamed("a", { labels: { zone: "1", rack: "x" } }),
    hostNamed("b", { labels: { zone: "1", rack: "y" } }),
    hostNamed("c", { labels: { zone: "1", rack: "y" } }),
    hostNamed("d", { labels: { zone: "2" } }),
  ];

  it("spread over the values of a label before the hosts", () => {
    const stack = stackOf(
      "{web: {image: x, scale: 4, deploy: {placement: {preferences: [{spread: node.labels.zone}]}}}}",
    );
    const result = place(stack, zoned, NONE);
    expect(placesOf(result)).toBe("web.1 a, web.2 d, web.3 b, web.4 d");
    expect(showAssignment(result.assignments[1]!)).toBe(
      'web.2 -> host d: spread over node.labels.zone, fewest containers of web in "2"',
    );
  });

  it("are applied one after the other", () => {
    const stack = stackOf(
      "{web: {image: x, scale: 6, deploy: {placement: {preferences: [{spread: node.labels.zone}, {spread: node.labels.rack}]}}}}",
    );
    expect(placesOf(place(stack, zoned, NONE))).toBe("web.1 a, web.2 d, web.3 b, web.4 d, web.5 a, web.6 d");
  });

  it("count a host without the label as one with an empty value", () => {
    const stack = stackOf(
      "{web: {image: x, scale: 2, deploy: {placement: {preferences: [{spread: node.labels.rack}]}}}}",
    );
    expect(placesOf(place(stack, zoned, NONE))).toBe("web.1 d, web.2 a");
  });

  it("do not exclude hosts", () => {
    const stack = stackOf(
      "{web: {image: x, scale: 2, host: [b, c], deploy: {placement: {preferences: [{spread: node.labels.zone}]}}}}",
    );
    expect(placesOf(place(stack, zoned, NONE))).toBe("web.1 b, web.2 c");
  });
});

describe("reservations", () => {
  const reserve = (what: string) => `deploy: {resources: {reservations: {${what}}}}`;

  it("fill hosts up to their capacity", () => {
    const stack = stackOf(`{web: {image: x, scale: 7, ${reserve("cpus: 1.5")}}}`);
    const { assignments, unplaced } = place(stack, ABC, NONE);
    expect(assignments).toHaveLength(6);
    expect(unplaced).toMatchObject([
      {
        service: "web",
        numbers: [7],
        hosts: ABC.map(({ name }) => ({ host: name, why: ["not enough CPUs: 1.5 reserved, 1 free"] })),
      },
    ]);
  });

  it("count memory, also that of mem_reservation", () => {
    const stack = stackOf(
      `{one: {image: x, ${reserve("memory: 3g")}}, two: {image: x, mem_reservation: 2g}}`,
    );
    const { unplaced } = place(stack, hostsNamed("a"), NONE);
    expect(unplaced[0]!.hosts[0]!.why).toEqual(["not enough memory: 2 GiB reserved, 1 GiB free"]);
  });

  it("are placed first, the largest before the others", () => {
    const stack = stackOf(
      `{a: {image: x, scale: 2, ${reserve("cpus: 1")}}, z: {image: x, ${reserve("cpus: 4")}}}`,
    );
    expect(placesOf(place(stack, hostsNamed("a", "b"), NONE))).toBe("a.1 b, a.2 b, z.1 a");
  });

  it("that have grown move the higher numbers", () => {
    const stack = stackOf(`{web: {image: x, scale: 2, ${reserve("cpus: 3")}}}`);
    const { assignments } = place(stack, ABC, running("web.1 a, web.2 a"));
    expect(assignments.map(showAssignment)).toEqual([
      "web.1 -> host a: it runs there",
      "web.2 moves from host a (not enough CPUs: 3 reserved, 1 free) -> host b: spread, first by name",
    ]);
  });
});

describe("what runs already", () => {
  it("stays, also if another host is empty", () => {
    const result = place(stackOf("{web: {image: x, scale: 3}}"), ABC, running("web.1 a, web.2 a, web.3 a"));
    expect(placesOf(result)).toBe("web.1 a, web.2 a, web.3 a");
  });

  it("keeps its numbers: a new container gets the lowest free one", () => {
    const result = place(stackOf("{web: {image: x, scale: 3}}"), ABC, running("web.2 a, web.4 b"));
    expect(placesOf(result)).toBe("web.1 c, web.2 a, web.4 b");
  });

  it.each<[string, string, PlacementHost[], string]>([
    ["host: b", "the service names b", ABC, "b"],
    [
      "deploy: {placement: {constraints: [node.labels.x == y]}}",
      "does not meet node.labels.x == y",
      [ABC[0]!, hostNamed("b", { labels: { x: "y" } })],
      "b",
    ],
    ["cpus: 1", "is drained", [{ ...ABC[0]!, state: "drained" }, ABC[1]!], "b"],
    ["cpus: 1", "is not a host of the stack", [ABC[1]!], "b"],
    [
      "platform: linux/arm64",
      "its platform is linux/amd64, not linux/arm64",
      [ABC[0]!, hostNamed("b", { platform: { os: "linux", architecture: "arm64" } })],
      "b",
    ],
  ])("moves if {%s} and its host %s", (keys, why, hosts, host) => {
    const { assignments, removals } = place(stackOf(`{web: {image: x, ${keys}}}`), hosts, running("web.1 a"));
    expect(assignments).toMatchObject([{ service: "web", number: 1, host, moved: { from: "a", why } }]);
    expect(removals).toEqual([]);
  });

  it("stays on a host that cannot be reached, whatever the file says", () => {
    const hosts: PlacementHost[] = [{ ...ABC[0]!, state: "unreachable" }, ABC[1]!];
    const { assignments } = place(stackOf("{web: {image: x, host: b}}"), hosts, running("web.1 a"));
    expect(assignments.map(showAssignment)).toEqual([
      "web.1 -> host a: it ran there, and the host cannot be reached",
    ]);
  });

  it("counts once: of two containers with one number, one is removed", () => {
    const { assignments, removals } = place(
      stackOf("{web: {image: x, host: [b, c]}}"),
      ABC,
      running("web.1 a, web.1 c"),
    );
    expect(placesOf({ assignments })).toBe("web.1 c");
    expect(removals.map(showRemoval)).toEqual(["web.1 on host a is removed: number 1 is also on host c"]);
  });
});

describe("scaling down", () => {
  it("removes from the fullest host, the highest number first", () => {
    const { assignments, removals } = place(
      stackOf("{web: {image: x, scale: 2}}"),
      ABC,
      running("web.1 a, web.2 a, web.3 a, web.4 b, web.5 c"),
    );
    expect(placesOf({ assignments })).toBe("web.1 a, web.4 b");
    expect(removals.map(showRemoval)).toEqual([
      "web.2 on host a is removed: scale 5 -> 2",
      "web.3 on host a is removed: scale 5 -> 2",
      "web.5 on host c is removed: scale 5 -> 2",
    ]);
  });

  it("removes first what would have to move", () => {
    const hosts: PlacementHost[] = [{ ...ABC[0]!, state: "drained" }, ABC[1]!];
    const { assignments } = place(
      stackOf("{web: {image: x, scale: 2}}"),
      hosts,
      running("web.1 a, web.2 b, web.3 b"),
    );
    expect(placesOf({ assignments })).toBe("web.2 b, web.3 b");
  });
});

describe("mode global", () => {
  const stack = (keys = "") => stackOf(`{agent: {image: x, deploy: {mode: global, ${keys}}}}`);

  it("has one container on each host that meets the constraints and is ready", () => {
    const hosts: PlacementHost[] = [
      ...ABC,
      { ...hostNamed("d"), state: "drained" },
      { ...hostNamed("e"), state: "unreachable" },
    ];
    const { assignments, unplaced } = place(
      stack("placement: {constraints: [node.hostname != b]}"),
      hosts,
      NONE,
    );
    expect(assignments.map(showAssignment)).toEqual([
      "agent.1 -> host a: mode global, one container on each host",
      "agent.2 -> host c: mode global, one container on each host",
    ]);
    expect(unplaced).toEqual([]);
  });

  it("gives a new host a container with a free number, and keeps the others", () => {
    const { assignments, removals } = place(stack(), ABC, running("agent.2 a, agent.3 a, agent.1 c"));
    expect(placesOf({ assignments })).toBe("agent.1 c, agent.2 a, agent.3 b");
    expect(removals).toEqual([
      { service: "agent", number: 3, host: "a", why: "mode global runs one container per host" },
    ]);
  });

  it("removes the container of a host that is drained", () => {
    const hosts: PlacementHost[] = [ABC[0]!, { ...ABC[1]!, state: "drained" }];
    const { assignments, removals } = place(stack(), hosts, running("agent.1 a, agent.2 b"));
    expect(placesOf({ assignments })).toBe("agent.1 a");
    expect(removals[0]!.why).toBe("host b is drained");
  });

  it("is an error on a host that lacks the capacity, and if no host meets the constraints", () => {
    const full = place(stack("resources: {reservations: {cpus: 5}}"), ABC.slice(0, 1), NONE);
    expect(full.unplaced).toMatchObject([
      { numbers: [], hosts: [{ why: ["not enough CPUs: 5 reserved, 4 free"] }] },
    ]);
    const none = place(stack("placement: {constraints: [node.role == x]}"), ABC, NONE);
    expect(none.unplaced[0]!.hosts.map(({ why }) => why)).toEqual(
      ABC.map(() => ["does not meet node.role == x"]),
    );
  });
});

describe("local volumes", () => {
  const VOLUMES =
    "volumes: {data: , shared: {driver_opts: {type: nfs, o: addr=10.0.0.9, device: ':/x'}}, out: {external: true}}";
  const stack = (services: string) => stackOf(services, VOLUMES);
  const using = (keys = "") => `{image: x, volumes: ["data:/data"], ${keys}}`;

  it("keep the containers that use them on their host", () => {
    const { assignments } = place(
      stack(`{db: ${using("scale: 2")}, other: {image: x}}`),
      ABC,
      running("", [{ name: "demo_data", host: "c" }]),
    );
    expect(assignments.map(showAssignment)).toEqual([
      "db.1 -> host c: has the volume demo_data",
      "db.2 -> host c: has the volume demo_data",
      "other.1 -> host a: spread, fewest containers of the stack",
    ]);
  });

  it("that are new are on one host for all services that use them", () => {
    const stacked = stack(`{db: ${using("scale: 2")}, backup: ${using()}}`);
    expect(placesOf(place(stacked, ABC, NONE))).toBe("backup.1 a, db.1 a, db.2 a");
  });

  it("are first put on a host that all of their services can run on", () => {
    const stacked = stack(
      `{a: ${using()}, z: ${using("host: [b, c], deploy: {resources: {reservations: {cpus: 3}}}")}, y: {image: x, host: b, deploy: {resources: {reservations: {cpus: 2}}}}}`,
    );
    expect(placesOf(place(stacked, ABC, NONE))).toBe("a.1 c, y.1 b, z.1 c");
  });

  it("are where the running containers are, if nothing else is known", () => {
    expect(placesOf(place(stack(`{db: ${using("scale: 2")}}`), ABC, running("db.1 b")))).toBe(
      "db.1 b, db.2 b",
    );
  });

  it("on a host that cannot be used are an error with the reason for each host", () => {
    const hosts: PlacementHost[] = [{ ...ABC[0]!, state: "drained" }, ABC[1]!];
    const result = place(
      stack(`{db: ${using()}}`),
      hosts,
      running("db.1 a", [{ name: "demo_data", host: "a" }]),
    );
    expect(() => checkPlaced(result)).toThrow(
      "bay.yaml:2:16: services.db: db.1 cannot be placed\n  host a: is drained\n  host b: the volume demo_data is on host a",
    );
  });

  it("are not those of a file server, nor those of mode global", () => {
    const shared = stack('{web: {image: x, scale: 2, volumes: ["shared:/s"]}}');
    expect(placesOf(place(shared, ABC, NONE))).toBe("web.1 a, web.2 b");
    const each = stack(`{agent: ${using("deploy: {mode: global}")}}`);
    expect(placesOf(place(each, ABC, running("", [{ name: "demo_data", host: "b" }])))).toBe(
      "agent.1 a, agent.2 b, agent.3 c",
    );
  });

  it("that are external must exist", () => {
    const outer = stack('{web: {image: x, volumes: ["out:/o"]}}');
    expect(placesOf(place(outer, ABC, running("", [{ name: "out", host: "b" }])))).toBe("web.1 b");
    expect(place(outer, ABC, NONE).unplaced[0]!.hosts[0]!.why).toEqual([
      "the external volume out does not exist",
    ]);
  });
});

describe("services that share a namespace or volumes", () => {
  it.each([
    "network_mode: service:web",
    "ipc: service:web",
    "pid: service:web",
    "volumes_from: [web]",
  ])("go with their partner: %s", (keys) => {
    const stack = stackOf(`{web: {image: x, host: c}, side: {image: x, ${keys}}}`);
    const { assignments } = place(stack, ABC, NONE);
    expect(assignments.map(showAssignment)).toEqual([
      "side.1 -> host c: with web",
      "web.1 -> host c: the host of web",
    ]);
  });

  it("are spread over the hosts of their partner", () => {
    const stack = stackOf(
      "{web: {image: x, host: [b, c], scale: 2}, side: {image: x, scale: 2, pid: service:web}}",
    );
    expect(placesOf(place(stack, ABC, NONE))).toBe("side.1 b, side.2 c, web.1 b, web.2 c");
  });

  it("lead their partner to a host that both can run on", () => {
    const stack = stackOf("{web: {image: x}, side: {image: x, host: b, pid: service:web}}");
    expect(placesOf(place(stack, ABC, NONE))).toBe("side.1 b, web.1 b");
  });

  it("move after their partner", () => {
    const stack = stackOf("{web: {image: x, host: b}, side: {image: x, pid: service:web}}");
    const { assignments } = place(stack, ABC, running("web.1 a, side.1 a"));
    expect(assignments.map(({ host, moved }) => [host, moved?.why])).toEqual([
      ["b", "has no container of web"],
      ["b", "the service names b"],
    ]);
  });

  it("are on each host of their partner with mode global", () => {
    const stack = stackOf(
      "{web: {image: x, host: [a, c], scale: 2}, side: {image: x, pid: service:web, deploy: {mode: global}}}",
    );
    expect(placesOf(place(stack, ABC, NONE))).toBe("side.1 a, side.2 c, web.1 a, web.2 c");
    const moved = place(stack, ABC, running("web.1 a, web.2 c, side.1 a, side.2 b"));
    expect(placesOf(moved)).toBe("side.1 a, side.2 c, web.1 a, web.2 c");
    expect(moved.removals.map(showRemoval)).toEqual([
      "side.2 on host b is removed: host b has no container of web",
    ]);
  });

  it("are an error on other hosts", () => {
    const stack = stackOf("{web: {image: x, host: a}, side: {image: x, host: b, pid: service:web}}");
    expect(() => checkPlaced(place(stack, ABC, NONE))).toThrow(
      "side.1 cannot be placed\n  host a: the service names b\n  host b: has no container of web\n  host c: the service names b; has no container of web",
    );
  });
});

describe("the error", () => {
  it("names hosts that do not exist, with the nearest name", () => {
    const hosts = hostsNamed("east", "west");
    expect(() => checkPlaced(place(stackOf("{web: {image: x, host: wst}}"), hosts, NONE))).toThrow(
      "bay.yaml:2:34: services.web.host: web.1 cannot be placed\n  the host wst does not exist; did you mean west?\n  host east, west: the service names wst",
    );
  });

  it("is thrown at once for more containers than are allowed", () => {
    const stack = stackOf("{web: {image: x, scale: 5001}, db: {image: x, scale: 5000}}");
    expect(() => place(stack, ABC, NONE)).toThrow(
      "the stack has 10001 containers; at most 10000 are allowed",
    );
    expect(() => place(stack, ABC, NONE, { scale: { web: 10, db: 10 } })).not.toThrow();
  });

  it("says that there are no hosts", () => {
    expect(() => checkPlaced(place(stackOf("{web: {image: x}}"), [], NONE))).toThrow(
      "the stack has no hosts",
    );
  });

  it("shows a bounded number of containers", () => {
    const stack = stackOf("{web: {image: x, scale: 500, host: b}}");
    expect(() => checkPlaced(place(stack, hostsNamed("a"), NONE))).toThrow(
      /web\.9, web\.10 and 490 more cannot be placed/,
    );
  });
});
