import { describe, expect, it } from "vitest";
import { loadText, problemsOf } from "../../support/stack.ts";

describe("loading a stack", () => {
  it("expands short forms and fills in defaults", () => {
    const { stack } = loadText(
      `
services:
  web:
    image: app
    command: serve --port "80 81"
    environment: [A=1, B]
    volumes: ["data:/data:ro", "./src:/src", /anon]
    ports: ["8080:80"]
    mem_limit: 64m
    depends_on: [db]
  db:
    image: app
    deploy: { replicas: 2, resources: { limits: { cpus: "0.5", memory: 1g } } }
volumes: { data: }
`,
      { environment: { B: "from outside" } },
    );
    const web = stack.services.web!;
    expect(web.command).toEqual(["serve", "--port", "80 81"]);
    expect(web.environment).toEqual({ A: "1", B: "from outside" });
    expect(web.mounts.map(({ type, target }) => [type, target])).toEqual([
      ["volume", "/data"],
      ["bind", "/src"],
      ["volume", "/anon"],
    ]);
    expect(web.resources.memory).toBe(64 << 20);
    expect(web.networks).toEqual({ default: { aliases: [], ipv4: undefined } });
    expect(web.dependsOn).toEqual({ db: { condition: "service_started", required: true, restart: false } });
    expect(stack.services.db).toMatchObject({ replicas: 2, resources: { cpus: 0.5, memory: 2 ** 30 } });
    expect(stack.volumes.data!.name).toBe("demo_data");
    expect(stack.networks.default!.name).toBe("demo_default");
  });

  it("shows all problems at once, each with its place, line and hint", () => {
    const text = problemsOf(`services:
  web:
    image: app
    helthcheck: {}
    ports: ["80:99999"]
    mem_limit: lots
    volumes: ["nothere:/x"]
    gpus: all
  db:
    image: [1]
    depends_on: [nobody]
`);
    expect(text).toContain('bay.yaml:4:5: error: unknown key "helthcheck" in services.web');
    expect(text).toContain("did you mean healthcheck?");
    expect(text).toContain("4 |     helthcheck: {}");
    expect(text).toContain("warning: services.web.gpus: bay does not support GPUs");
    expect(text).toContain("services.db.image: expected a string, got a list");
    expect(text).toContain("bay.yaml:5:13: error: services.web.ports.0: invalid port 99999");
    expect(text).toContain(
      'bay.yaml:6:16: error: services.web.mem_limit: expected a size such as 64m, got "lots"',
    );
    expect(text).toContain("uses the volume nothere, which is not declared");
    expect(text).toContain("depends on nobody, which is not a service");
    expect(text).toContain("6 problems in the stack file");
    const lines = [...text.matchAll(/^bay.yaml:(\d+):/gm)].map(([, line]) => Number(line));
    expect(lines).toEqual([...lines].sort((a, b) => a - b));
  });

  it("does not report what only follows from another problem", () => {
    expect(problemsOf("services:\n  web: {imag: x}\n")).toContain("1 problem in");
    expect(problemsOf("services:\n  'a b': {image: x}\n  c: {image: x}\n")).toContain("1 problem in");
    expect(problemsOf("services:\n  'a b': 5\n  c: [x]\n")).toContain("2 problems in");
    expect(problemsOf("- services\n")).toContain("1 problem in");
    expect(problemsOf("services:\n  web: {image: x, depends_on: [db]}\n  db: 5\n")).toContain("1 problem in");
    expect(problemsOf("services:\n  web: {image: x, volumes: ['d:/d']}\nvolumes: [d]\n")).toContain(
      "1 problem in",
    );
  });

  it("terminates if a required key is missing or invalid inside a union", () => {
    const problems = (service: string) => problemsOf(`services:\n  a:\n    image: x\n    ${service}\n`);
    for (const service of [
      "ports: [{published: 3}]",
      "ports: [{}]",
      "volumes: [{type: foo, target: /x}]",
      "volumes: [{type: volume}]",
      "volumes: [{target: /x}]",
      "ulimits: {nofile: {soft: 1}}",
      "env_file: [{required: false}]",
      "networks: {default: 5}",
      "ulimits: {nofile: x}",
    ]) {
      expect([service, problems(service)]).toEqual([service, expect.stringContaining("1 problem in")]);
    }
    expect(problems("ulimits: {nofile: {}}")).toContain("2 problems in");
    expect(problemsOf("images: {a: {archive: [1]}}\nservices: {}\n")).toContain("1 problem in");
  });

  it("rejects impossible addresses, names and ports", () => {
    const NETWORKS = "networks: {n: {ipam: {config: [{subnet: 10.9.0.0/24}]}}, plain: }\n";
    const at = (address: string, more = "", network = "n") =>
      problemsOf(
        `services:\n  a: {image: x, networks: {${network}: {ipv4_address: ${address}}}${more}}\n${NETWORKS}`,
      );
    expect(at("10.8.0.7")).toContain("not a valid container address in 10.9.0.0/24");
    expect(at("10.9.0.0")).toContain("is not a valid container address");
    expect(at("10.9.0.255")).toContain("is not a valid container address");
    expect(at("10.9.0.1")).toContain("is the gateway of the network n");
    expect(at("10.9.0.7", ", scale: 2")).toContain("allows one container, not 2");
    expect(at("10.9.0.7", "", "plain")).toContain("has no subnet in the file");
    const two = (first: string, second: string, more = "") =>
      problemsOf(`services:\n  a: {image: x, ${first}}\n  b: {image: x, ${second}}\n${NETWORKS}${more}`);
    const fixed = "networks: {n: {ipv4_address: 10.9.0.7}}";
    expect(two(fixed, fixed)).toContain("10.9.0.7 is also assigned to a");
    expect(two("container_name: same", "container_name: same")).toContain(
      "same is also the container name of a",
    );
    expect(two('ports: ["127.0.0.1:80:80"]', 'ports: ["80:80"]')).toContain(
      "also published by a, on 127.0.0.1",
    );
    expect(
      problemsOf(
        "services: {}\nnetworks: {n: {ipam: {config: [{subnet: 10.9.0.0/24}]}}, m: {ipam: {config: [{subnet: 10.9.0.128/25}]}}}\n",
      ),
    ).toContain("the subnets of the networks n and m overlap");
    for (const [key, word] of [
      ["hostname: bad host", "invalid host name"],
      ["domainname: a b", "invalid domain name"],
      ["networks: {n: {aliases: [bad alias]}}", "invalid host name"],
      ['extra_hosts: ["a b=1.1.1.1"]', "expected NAME=ADDRESS"],
      ["deploy: {replicas: -1}", "services.a.deploy.replicas"],
      ["deploy: {resources: {limits: {memory: 5m}}}", "deploy.resources.limits.memory"],
      ["security_opt: [no-new-privileges:maybe]", "true or false"],
    ] as const)
      expect(problemsOf(`services:\n  a: {image: x, ${key}}\n${NETWORKS}`)).toContain(word);
    for (const once of ['extra_hosts: ["bad"]', 'network_mode: "service:"', 'devices: ["v.com/c=x"]'])
      expect(problemsOf(`services:\n  a: {image: x, ${once}}\n`)).toContain("1 problem in");
  });

  it("refuses kernel parameters of the whole host", () => {
    const load = (more: string) => `services:\n  a: {image: x, sysctls: {${more}}}\n`;
    expect(problemsOf(load("vm.swappiness: 3"))).toContain("would change the whole host");
    expect(problemsOf(load("net.ipv4.ip_forward: 1}, network_mode: host, labels: {"))).toContain(
      "not the container's own",
    );
    expect(loadText(load("net.core.somaxconn: 9, kernel.shmmax: 1")).stack.services.a!.sysctls).toEqual({
      "net.core.somaxconn": "9",
      "kernel.shmmax": "1",
    });
  });

  it("reads when an image is pulled", () => {
    const policy = (text: string) =>
      loadText(`services:\n  a: {image: x, pull_policy: ${text}}\n`).stack.services.a!.pullPolicy;
    const HOUR = 3600_000;
    expect(policy("if_not_present")).toEqual({ when: "missing" });
    expect(policy("always")).toEqual({ when: "always" });
    expect(policy("daily")).toEqual({ when: "refresh", afterMs: 24 * HOUR });
    expect(policy("every_12h30m")).toEqual({ when: "refresh", afterMs: 12.5 * HOUR });
    expect(policy("every_1w2d")).toEqual({ when: "refresh", afterMs: 9 * 24 * HOUR });
    expect(policy("every_2d3h")).toEqual({ when: "refresh", afterMs: 51 * HOUR });
    expect(problemsOf("services:\n  a: {image: x, pull_policy: build}\n")).toContain("needs a build:");
    expect(policy("build, build: .")).toEqual({ when: "build" });
    expect(problemsOf("services:\n  a: {image: x, pull_policy: every_soon}\n")).toContain("pull_policy");
  });

  it("merges what services need, in every form", () => {
    const merged = (base: string, over: string) =>
      loadText(`services:\n  a: {image: x, ${base}}\n  b: {image: x}\n  c: {image: x}\nnetworks: {n: }\n`, {
        extra: { "bay.override.yaml": `services:\n  a: {${over}}\n` },
      }).stack.services.a!;
    expect(Object.keys(merged("depends_on: [b]", "depends_on: [c]").dependsOn)).toEqual(["b", "c"]);
    expect(
      merged("depends_on: {b: {condition: service_healthy}}", "depends_on: [c]").dependsOn.b!.condition,
    ).toBe("service_healthy");
    expect(merged("networks: {n: {aliases: [p]}}", "networks: [n]").networks.n!.aliases).toEqual(["p"]);
    expect(merged('extra_hosts: ["a:1.1.1.1"]', "extra_hosts: {b: 2.2.2.2}").extraHosts).toEqual([
      "a=1.1.1.1",
      "b=2.2.2.2",
    ]);
  });

  it("enables the profiles of a named service, and reports a disabled dependency", () => {
    const text =
      "services:\n  a: {image: x, profiles: [p], depends_on: [b]}\n  b: {image: x, profiles: [p]}\n";
    expect(Object.keys(loadText(text, { enable: ["a"] }).stack.services)).toEqual(["a", "b"]);
    expect(problemsOf(text.replace("profiles: [p], ", ""))).toContain(
      "needs b, whose profiles are not enabled: p",
    );
    expect(problemsOf(text.replace("profiles: [p], depends_on: [b]", 'network_mode: "service:b"'))).toContain(
      "whose profiles are not enabled",
    );
  });

  it("reports cycles in depends_on", () => {
    expect(
      problemsOf("services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x, depends_on: [a]}\n"),
    ).toContain("a -> b -> a");
  });

  it("rejects two services that publish the same port", () => {
    expect(
      problemsOf('services:\n  a: {image: x, ports: ["80:1"]}\n  b: {image: x, ports: ["80:2"]}\n'),
    ).toContain("port 80/tcp is also published by a");
  });

  it("refuses YAML that is malformed, too large, or blows up by aliases", () => {
    expect(problemsOf("services: [a\n")).toMatch(/bay.yaml:\d+:\d+: error/);
    expect(problemsOf(`x: "${"a".repeat(5 << 20)}"`)).toContain("at most");
    const bomb = `${["a0: &a0 [x,x,x,x,x,x,x,x,x]", ...Array.from({ length: 9 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`).join(",")}]`)].join("\n")}\n`;
    expect(problemsOf(bomb)).toContain("expand to too much data");
  });

  it("merges the override and leaves disabled profiles out", () => {
    const { stack } = loadText(
      "services:\n  a: {image: x, environment: {A: 1}}\n  b: {image: x, profiles: [debug]}\n",
      {
        extra: { "bay.override.yaml": "services:\n  a: {environment: {B: 2}}\n" },
      },
    );
    expect(stack.services.a!.environment).toEqual({ A: "1", B: "2" });
    expect(Object.keys(stack.services)).toEqual(["a"]);
    const debug = loadText("services:\n  b: {image: x, profiles: [debug]}\n", { profiles: ["debug"] });
    expect(Object.keys(debug.stack.services)).toEqual(["b"]);
    const named = loadText(
      "services:\n  b: {image: x, profiles: [debug]}\n  c: {image: x, profiles: [debug]}\n",
      { enable: ["b"] },
    );
    // the named service's profiles are on, as in Compose; what is started is the planner's choice
    expect([Object.keys(named.stack.services), named.stack.disabled]).toEqual([["b", "c"], []]);
  });

  it("refuses tags that are not Compose's", () => {
    expect(problemsOf("services:\n  a: {image: x, ports: !rest []}\n")).toContain("unknown tag !rest");
  });

  it("takes x- keys anywhere and names the key where a value is required", () => {
    expect(Object.keys(loadText("x-a: 1\nservices:\n  a: {image: x, x-b: {c: 1}}\n").stack.services)).toEqual(
      ["a"],
    );
    expect(problemsOf("services:\n  a: {image: '${TAG:?give a tag}'}\n")).toContain(
      "the variable TAG is required: give a tag",
    );
  });
});
