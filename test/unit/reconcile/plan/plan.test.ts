import { describe, expect, it } from "vitest";
import {
  type Actual,
  makeDownPlan,
  makePlan,
  PLAN_DEFAULTS,
  printPlan,
} from "../../../../src/reconcile/index.ts";
import { converged, NOTHING } from "../../../support/actual.ts";
import { loadText } from "../../../support/stack.ts";

const BASE = `
services:
  web:
    image: app
    ports: ["8080:80"]
    mem_limit: 64m
    environment: { MODE: dev, DB_PASSWORD: one, DB: "postgres://app:s3cret@db/app" }
    depends_on: { db: { condition: service_healthy } }
  db:
    image: app
    volumes: ["data:/data"]
    healthcheck: { test: [CMD, "true"] }
volumes: { data: }
`;
const stackOf = (text: string) => loadText(text).stack;
const changed = (from: string, to: string) =>
  printPlan(makePlan(stackOf(BASE.replace(from, to)), converged(stackOf(BASE))));

describe("the plan, printed", () => {
  it("of an empty host adds everything, dependencies first", () => {
    expect(printPlan(makePlan(stackOf(BASE), NOTHING))).toMatchInlineSnapshot(`
      "demo
        + network demo_default
        + volume demo_data

      service db
        + container demo-db-1
            image app

      service web
        + container demo-web-1
            image app

      Plan: 4 to add, 0 to change, 0 to replace, 0 to remove
      "
    `);
  });

  it("of a host that matches the file is empty", () => {
    expect(printPlan(makePlan(stackOf(BASE), converged(stackOf(BASE))))).toBe(
      "demo: nothing to do, the host matches the file\n",
    );
  });

  it("compares lists by element, and shows one whole whose order alone differs", () => {
    const from = BASE.replace(
      "mem_limit: 64m",
      "cap_add: [SYS_TIME, NET_ADMIN]\n    dns: [1.1.1.1, 1.0.0.1]",
    );
    const to = BASE.replace(
      "mem_limit: 64m",
      "cap_add: [NET_ADMIN, SYS_PTRACE]\n    dns: [1.0.0.1, 1.1.1.1]",
    );
    const text = printPlan(makePlan(stackOf(to), converged(stackOf(from))));
    expect(text).toContain("services.web.cap_add: SYS_TIME -> (none)\n");
    expect(text).toContain("services.web.cap_add: (none) -> SYS_PTRACE\n");
    expect(text).toContain('services.web.dns: ["1.1.1.1","1.0.0.1"] -> ["1.0.0.1","1.1.1.1"]\n');
  });

  it("changes a limit in place, with both values", () => {
    expect(changed("64m", "128m")).toMatchInlineSnapshot(`
      "demo

      service web
        ~ container demo-web-1 changes in place
            services.web.mem_limit: 64m -> 128m

      Plan: 0 to add, 1 to change, 0 to replace, 0 to remove
      "
    `);
  });

  it("changes a published port in place, as one field with both values", () => {
    expect(changed("8080:80", "8090:80")).toContain("services.web.ports: 8080:80 -> 8090:80\n");
    expect(changed('["8080:80"]', '["8080:80", "9:9"]')).toContain("services.web.ports: (none) -> 9:9\n");
    expect(changed('["8080:80"]', "[]")).toContain("services.web.ports: 8080:80 -> (none)\n");
  });

  it("forces only the named services", () => {
    const steps = (services: string[]) =>
      makePlan(stackOf(BASE), converged(stackOf(BASE)), {
        ...PLAN_DEFAULTS,
        forceRecreate: true,
        services,
      }).steps.map(({ id }) => id);
    expect(steps(["web"])).toEqual(["container.replace:demo-web-1"]);
    expect(steps([])).toEqual(["container.replace:demo-db-1", "container.replace:demo-web-1"]);
  });

  it("replaces a network and what is on it, with both values", () => {
    const other = `${BASE}networks: { default: { internal: true } }\n`;
    expect(printPlan(makePlan(stackOf(other), converged(stackOf(BASE))))).toMatchInlineSnapshot(`
      "demo
      -/+ network demo_default is replaced
            networks.default.internal: false -> true

      service db
      -/+ container demo-db-1 is replaced
            networks.default.internal: false -> true
            downtime: up to 10s to stop, then until it is healthy again, because its network is replaced

      service web
      -/+ container demo-web-1 is replaced
            networks.default.internal: false -> true
            downtime: up to 10s to stop, then until it runs again, because its network is replaced

      Plan: 0 to add, 0 to change, 3 to replace, 0 to remove
      "
    `);
    const named = `${BASE}networks: { default: { labels: { a: b } } }\n`;
    expect(printPlan(makePlan(stackOf(named), converged(stackOf(BASE))))).toMatchInlineSnapshot(`
      "demo
        ~ network demo_default changes in place
            networks.default.labels.a: (none) -> b

      Plan: 0 to add, 1 to change, 0 to replace, 0 to remove
      "
    `);
  });

  it.each([
    ["networks", (labels: string) => `networks: { default: { labels: ${labels} } }\nvolumes: { data: }\n`],
    ["volumes", (labels: string) => `volumes: { data: { labels: ${labels} } }\n`],
  ])("hides secret values in labels of %s", (_, top) => {
    const text = (value: string) =>
      `${BASE.replace("volumes: { data: }\n", "")}${top(`{ api_token: ${value}, plain: p${value} }`)}`;
    const wanted = stackOf(text("s3cr3t"));
    const printed = printPlan(makePlan(wanted, converged(stackOf(text("before")))));
    expect(printed).not.toContain(" s3cr3t");
    expect(printed).not.toContain(" before");
    expect(printed).toContain(".labels.api_token: (hidden) -> (hidden)");
    expect(printed).toContain(".labels.plain: pbefore -> ps3cr3t");
  });

  it("does not replace a network under services that were not chosen", () => {
    const other = stackOf(`${BASE}networks: { default: { internal: true } }\n`);
    const options = { ...PLAN_DEFAULTS, services: ["db"] };
    expect(() => makePlan(other, converged(stackOf(BASE)), options)).toThrow("demo-web-1 also uses it");
  });

  it("does not replace a network under containers of another stack, and says so before anything is done", () => {
    const changed = stackOf(`${BASE}networks: { default: { enable_ipv6: true } }\n`);
    const actual = { ...converged(stackOf(BASE)), foreignNetworkUsers: { demo_default: "other-x-1" } };
    expect(() => makePlan(changed, actual)).toThrow("demo_default: other-x-1 of another stack uses it");
  });

  it("pulls images that are missing, that are always pulled, and that are old", () => {
    const with_ = (policy: string) =>
      stackOf(BASE.replace("image: app", `image: app\n    pull_policy: ${policy}`));
    const plan = (policy: string, change: (images: Actual["images"]) => void = () => {}) => {
      const actual = structuredClone(converged(stackOf(BASE)));
      change(actual.images);
      return printPlan(makePlan(with_(policy), actual));
    };
    const ago = (hours: number) => (images: Actual["images"]) => {
      images.app!.pulledAt = new Date(NOTHING.now - hours * 3600_000).toISOString();
    };
    expect(plan("missing")).toContain("nothing to do");
    expect(plan("always")).toContain("+ image app\n      pull_policy: always");
    expect(plan("daily", ago(23))).toContain("nothing to do");
    expect(plan("daily", ago(25))).toContain("+ image app\n      pulled 1500 minutes ago");
    expect(printPlan(makePlan(stackOf(BASE), { ...NOTHING, images: {} }))).toContain(
      "+ image app\n      not on this host",
    );
    expect(() => plan("never", (images) => delete images.app)).toThrow(/is not on this host/);
    const second = makePlan(with_("always"), converged(stackOf(BASE)), { ...PLAN_DEFAULTS, pull: "never" });
    expect(second.steps).toEqual([]);
  });

  it("changes a published port in place", () => {
    expect(changed("8080:80", "8081:80")).toContain("~ container demo-web-1 changes in place");
  });

  it("replaces exactly the container whose environment changed, and hides what looks secret", () => {
    const text = changed(
      'MODE: dev, DB_PASSWORD: one, DB: "postgres://app:s3cret@db/app"',
      'MODE: live, DB_PASSWORD: two, DB: "postgres://app:n3w@db/app"',
    );
    expect(text).toContain("-/+ container demo-web-1 is replaced");
    expect(text).toContain("services.web.environment.MODE: dev -> live");
    expect(text).toContain("services.web.environment.DB_PASSWORD: (hidden) -> (hidden)");
    const hidden = "postgres://app:(hidden)@db/app";
    expect(text).toContain(`services.web.environment.DB: ${hidden} -> ${hidden}`);
    expect(text).not.toContain("two");
    expect(text).not.toContain("demo-db-1");
  });

  it("says what a service waits for as the file does", () => {
    const text = changed(
      "depends_on: { db: { condition: service_healthy } }",
      "depends_on: { db: { condition: service_started, restart: true } }",
    );
    expect(text).toContain("services.web.depends_on.db: service_healthy -> service_started, restart");
    expect(text).not.toContain("labels");
  });

  it("ignores the order of keys, and comments", () => {
    const reordered = BASE.replace(
      "{ MODE: dev, DB_PASSWORD: one }",
      "{ DB_PASSWORD: one, MODE: dev } # comment",
    );
    const plan = makePlan(stackOf(reordered), converged(stackOf(BASE)));
    expect(plan.steps).toEqual([]);
  });

  it("shows drift as drift", () => {
    const actual = converged(stackOf(BASE));
    actual.containers[0]!.drift = ["its limits were changed"];
    actual.drift = ["bay's nftables rules were changed or removed"];
    expect(printPlan(makePlan(stackOf(BASE), actual))).toContain("drift: its limits were changed");
  });

  it("scales down from the highest number and up into gaps", () => {
    const three = stackOf("services:\n  a: {image: app, scale: 3}\n");
    const one = makePlan(stackOf("services:\n  a: {image: app}\n"), converged(three));
    expect(one.steps.map(({ id }) => id)).toEqual(["container.remove:demo-a-2", "container.remove:demo-a-3"]);
    const actual = converged(three);
    actual.containers.splice(1, 1);
    expect(makePlan(three, actual).steps.map(({ id }) => id)).toEqual(["container.create:demo-a-2"]);
  });

  it("replaces what shares the network of a replaced service", () => {
    const text =
      "services:\n  a: {image: app, environment: {A: 1}}\n  b: {image: app, network_mode: 'service:a'}\n";
    const plan = makePlan(stackOf(text.replace("A: 1", "A: 2")), converged(stackOf(text)));
    expect(plan.steps.map(({ id }) => id)).toEqual([
      "container.replace:demo-a-1",
      "container.replace:demo-b-1",
    ]);
  });

  it("names orphans, and removes them when asked", () => {
    const actual = converged(stackOf(BASE));
    const less = stackOf(
      "services:\n  db: {image: app, volumes: ['data:/data'], healthcheck: {test: [CMD, 'true']}}\nvolumes: {data: }\n",
    );
    expect(makePlan(less, actual).warnings[0]).toContain("demo-web-1");
    expect(
      makePlan(less, actual, { ...PLAN_DEFAULTS, removeOrphans: true }).steps.map(({ id }) => id),
    ).toEqual(["container.remove:demo-web-1"]);
  });

  it("leaves completed containers alone, and starts failed ones", () => {
    const job = stackOf("services:\n  a: {image: app}\n");
    const actual = converged(job);
    Object.assign(actual.containers[0]!, { status: "exited", alive: false });
    expect(makePlan(job, actual).steps).toEqual([]);
    actual.containers[0]!.exitCode = 3;
    expect(printPlan(makePlan(job, actual))).toContain("drift: ended with exit code 3");
  });

  it("is refused for more processors than the host has, for all services at once", () => {
    const stack = stackOf(
      "services:\n  a: {image: app, cpus: 4.5}\n  b: {image: app, cpus: 8}\n  c: {image: app, cpus: 4}\n",
    );
    expect(() => makePlan(stack, converged(stack))).toThrow(
      /services\.a\.cpus: 4\.5, services\.b\.cpus: 8; the host has 4/,
    );
  });

  it("removes dependants before their dependencies", () => {
    const plan = makeDownPlan("demo", converged(stackOf(BASE)), {
      volumes: true,
      removeOrphans: false,
      services: undefined,
      externalVolumes: [],
    });
    const db = plan.steps.find(({ id }) => id === "container.remove:demo-db-1")!;
    expect(db.after).toEqual(["container.remove:demo-web-1"]);
    expect(plan.steps.at(-1)!.id).toBe("volume.remove:demo_data");
  });

  it("keeps volumes that the file does not have, and names them; without a file, it removes all", () => {
    const down = { volumes: true, removeOrphans: true, services: undefined, externalVolumes: [] };
    const of = ({ steps }: ReturnType<typeof makeDownPlan>) =>
      steps.flatMap(({ kind, name }) => (kind === "volume.remove" ? [name] : []));
    const actual = converged(stackOf(BASE));
    actual.volumes.push({ ...actual.volumes[0]!, name: "old_data" });
    const kept = makeDownPlan("demo", actual, { ...down, namedVolumes: ["demo_data"] });
    expect(of(kept)).toEqual(["demo_data"]);
    expect(kept.warnings).toEqual([
      "volumes that are no longer in the stack file are kept: old_data; bay volume rm removes them",
    ]);
    expect(of(makeDownPlan("demo", actual, down))).toEqual(["demo_data", "old_data"]);
  });

  it("names the containers of services that the file no longer has", () => {
    const plan = makeDownPlan("demo", converged(stackOf(BASE)), {
      volumes: false,
      removeOrphans: false,
      services: ["web"],
      externalVolumes: [],
    });
    expect(plan.warnings).toEqual([
      "containers of services that are no longer in the stack are kept: demo-db-1; --remove-orphans removes them",
    ]);
  });
});

describe("what moves from one container to another", () => {
  const two = (a: string, b: string) => `
services:
  a: { image: app, ports: ["${a}:80"] }
  b: { image: app, ports: ["${b}:80"] }
`;

  it("two services that exchange their ports release them first", () => {
    const plan = makePlan(stackOf(two("8081", "8080")), converged(stackOf(two("8080", "8081"))));
    expect(printPlan(plan)).toMatchInlineSnapshot(`
      "demo

      service a
        ~ ports of demo-a-1 are released
            8080/tcp moves to demo-b-1
        ~ container demo-a-1 changes in place
            services.a.ports: 8080:80 -> 8081:80

      service b
        ~ ports of demo-b-1 are released
            8081/tcp moves to demo-a-1
        ~ container demo-b-1 changes in place
            services.b.ports: 8081:80 -> 8080:80

      Plan: 0 to add, 4 to change, 0 to replace, 0 to remove
      "
    `);
    for (const step of plan.steps.filter(({ kind }) => kind !== "port.release"))
      expect(step.after).toEqual(expect.arrayContaining(["port.release:demo-a-1", "port.release:demo-b-1"]));
  });

  it("a port that moves to a new service is released by its owner", () => {
    const before = stackOf(two("8080", "8081"));
    const after = stackOf(`${two("8082", "8081")}  c: { image: app, ports: ["8080:80"] }\n`);
    const { steps } = makePlan(after, converged(before));
    expect(steps.map(({ id }) => id).filter((id) => !id.startsWith("network."))).toEqual([
      "port.release:demo-a-1",
      "container.update:demo-a-1",
      "container.create:demo-c-1",
    ]);
    expect(steps.find(({ kind }) => kind === "port.release")!.ports).toEqual([
      { hostAddress: "", hostPort: 8080, protocol: "tcp" },
    ]);
  });

  it("a port that nothing else takes is not released beforehand", () => {
    const plan = makePlan(stackOf(two("8082", "8081")), converged(stackOf(two("8080", "8081"))));
    expect(plan.steps.map(({ kind }) => kind)).toEqual(["container.update"]);
  });
});

describe("anonymous volumes", () => {
  const withVolume = (user: string) => stackOf(`services: { a: { image: app, user: "${user}" } }`);
  const host = (): Actual => {
    const actual = converged(withVolume("0"));
    actual.containers[0]!.anonymousVolumes.push("v1");
    return actual;
  };

  it("stay with a replaced container, or are named where they go", () => {
    const { steps } = makePlan(withVolume("1"), host());
    expect(steps[0]!.container!.volumes).toBeUndefined();
    const renewed = makePlan(withVolume("1"), host(), { ...PLAN_DEFAULTS, renewVolumes: true });
    expect(renewed.steps[0]!.container!.volumes).toBe("renewed");
    expect(printPlan(renewed)).toContain("anonymous volumes removed with it: 1\n");
  });

  it("go with their containers by down --volumes, which says so", () => {
    const down = (volumes: boolean) =>
      makeDownPlan("demo", host(), {
        volumes,
        removeOrphans: false,
        services: undefined,
        externalVolumes: [],
      });
    expect(printPlan(down(false))).not.toContain("anonymous");
    expect(printPlan(down(true))).toContain("anonymous volumes removed with it: 1\n");
    expect(down(true).steps[0]!.container!.volumes).toBe("removed");
  });
});

describe("one-shot services", () => {
  const job = stackOf("services: { job: { image: app }, other: { image: app } }");
  const done = (): Actual => {
    const actual = converged(job);
    for (const container of actual.containers) Object.assign(container, { status: "exited", alive: false });
    return actual;
  };

  it("that ended with 0 are kept, and the plan says so", () => {
    const plan = makePlan(job, done());
    expect(plan.steps).toEqual([]);
    expect(printPlan(plan)).toContain(
      "note: demo-job-1 ended with exit code 0 and is not run again; bay up --rerun job runs it\n",
    );
  });

  it("are run again by --rerun: all, or the named ones", () => {
    const started = (rerun: string[]) =>
      makePlan(job, done(), { ...PLAN_DEFAULTS, rerun }).steps.map(({ id }) => id);
    expect(started([])).toEqual(["container.start:demo-job-1", "container.start:demo-other-1"]);
    expect(started(["job"])).toEqual(["container.start:demo-job-1"]);
  });
});

describe("a problem that is known beforehand", () => {
  const web = stackOf(
    'services: { web: { image: app, ports: ["8080:80"], volumes: ["data:/data"] } }\nvolumes: { data: }',
  );
  const taken = {
    hostAddress: "0.0.0.0",
    hostPort: 8080,
    protocol: "tcp" as const,
    owner: "nginx (pid 812)",
  };
  const full = "the disk of /var/lib/bay is full";

  it("is a published port that another program or stack has", () => {
    const plan = makePlan(web, { ...NOTHING, takenPorts: [taken] });
    expect(plan.problems).toEqual([
      "services.web.ports: port 8080/tcp is taken by nginx (pid 812); stop it, or publish another port",
    ]);
    expect(printPlan(plan)).toMatch(/^error: services\.web\.ports: port 8080\/tcp is taken by nginx/);
    expect(makePlan(web, { ...NOTHING, takenPorts: [taken], images: {} }).problems).toEqual(plan.problems);
    for (const other of [{ hostPort: 8081 }, { protocol: "udp" as const }])
      expect(makePlan(web, { ...NOTHING, takenPorts: [{ ...taken, ...other }] }).problems).toBeUndefined();
  });

  it("is no port that the container has itself, and one that a stopped one will need", () => {
    const actual = { ...converged(web), takenPorts: [taken] };
    expect(makePlan(web, actual, { ...PLAN_DEFAULTS, forceRecreate: true }).problems).toBeUndefined();
    Object.assign(actual.containers[0]!, { status: "exited", alive: false, exitCode: 1, boundPorts: [] });
    expect(makePlan(web, actual).problems).toHaveLength(1);
    expect(makePlan(web, actual, { ...PLAN_DEFAULTS, noStart: true }).problems).toBeUndefined();
  });

  it("is an image that cannot be made, where it has to be", () => {
    const stack = stackOf("images: { own: { host: [sh] } }\nservices: { a: { image: own, command: sh } }");
    const unmakable = { own: ["images.own: mmdebstrap is not installed"] };
    expect(makePlan(stack, { ...NOTHING, unmakable }).problems).toEqual(unmakable.own);
    const images = { own: NOTHING.images.app! };
    expect(makePlan(stack, { ...NOTHING, images, unmakable }).problems).toBeUndefined();
  });

  it("is a missing source of a mount or device, and a secret without content, of a new container only", () => {
    const stack = stackOf(
      "services: { a: { image: app, secrets: [s] }, b: { image: app } }\nsecrets: { s: { file: /no/such } }",
    );
    const missing = { a: ["services.a.devices: /dev/none does not exist on this host"] };
    expect(makePlan(stack, { ...NOTHING, missing }).problems).toEqual([
      ...missing.a,
      "secrets.s: the file /no/such does not exist",
    ]);
    expect(makePlan(stack, { ...converged(stack), missing }).problems).toBeUndefined();
  });

  it("is a full disk, where something has to be written", () => {
    expect(makePlan(web, { ...NOTHING, fullDisks: [full] }).problems).toEqual([full]);
    expect(makePlan(web, { ...converged(web), fullDisks: [full] }).problems).toBeUndefined();
  });

  it("is a volume with another name, which does not get the data", () => {
    const renamed = stackOf(
      'services: { web: { image: app, ports: ["8080:80"], volumes: ["data:/data"] } }\nvolumes: { data: { name: other } }',
    );
    expect(makePlan(renamed, converged(web)).warnings).toEqual([
      "volumes.data.name: demo_data -> other: the data stays in demo_data and is not copied to other",
    ]);
    const both = {
      ...converged(renamed),
      volumes: [...converged(web).volumes, ...converged(renamed).volumes],
    };
    expect(makePlan(renamed, both).warnings).toEqual([]);
  });

  it("is a volume under another key, which does not get the data", () => {
    const of = (key: string) =>
      stackOf(`services: { web: { image: app, volumes: ["${key}:/data"] } }\nvolumes: { ${key}: }`);
    expect(makePlan(of("store"), converged(of("data"))).warnings).toEqual([
      "services.web.volumes./data: demo_data -> demo_store: the data stays in demo_data, and demo_store does not get it",
    ]);
    const both = {
      ...converged(of("data")),
      volumes: [...converged(of("data")).volumes, ...converged(of("store")).volumes],
    };
    expect(makePlan(of("store"), both).warnings).toEqual([]);
  });

  it("is another content of a secret or config, and nothing of what it says", () => {
    const given = (digit: string) => {
      const stack = stackOf(
        "services: { web: { image: app, secrets: [word], configs: [site] } }\nsecrets: { word: { environment: WORD } }\nconfigs: { site: { content: a } }",
      );
      stack.secrets.word!.digest = digit.repeat(64);
      stack.configs.site!.digest = digit.repeat(64);
      return stack;
    };
    const text = printPlan(makePlan(given("2"), converged(given("1"))));
    expect(text).toContain("services.web.secrets./run/secrets/word: content changed\n");
    expect(text).toContain("services.web.configs./site: content changed\n");
    expect(text).not.toMatch(/hidden|1111|2222/);
  });
});
