/** How two files, `extends`, `!reset` and `!override` merge: one row a rule (Compose specification, 13-merge.md and 05-services.md). */
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { toCompose } from "../../../src/stack/index.ts";
import { loadText, problemsOf } from "../../support/stack.ts";

/** A service's body in flow or block form, under `services.web` of a file. */
const file = (body: string, more = "") =>
  `services:\n  web:\n    image: app\n${body
    .split("\n")
    .map((line) => `    ${line}`)
    .join("\n")}\n  db: { image: app }\n  cache: { image: app }\n${more}`;
const MORE =
  "networks: { front: , back: , shared: }\nvolumes: { data: , other: }\nsecrets: { word: { environment: W }, key: { environment: W } }\nconfigs: { conf: { content: a }, more: { content: b } }\n";

function merged(base: string, over: string): Record<string, unknown> {
  const options = {
    environment: { W: "w" },
    extra: { "over.yaml": file(over) },
    files: ["bay.yaml", "over.yaml"],
    profiles: ["*"],
  };
  const { stack } = loadText(file(base, MORE), options);
  return (toCompose(stack) as { services: Record<string, Record<string, unknown>> }).services.web!;
}

/** key, in the first file, in the second, and what holds. */
const RULES: [rule: string, base: string, over: string, expected: string][] = [
  ["a value that the second file does not have stays", "user: a", "init: true", "user: a\ninit: true"],
  ["a text is replaced", "user: a", "user: b", "user: b"],
  ["a number is replaced", "pids_limit: 5", "pids_limit: 6", "pids_limit: 6"],
  [
    "a mapping is merged by key",
    "environment: { A: one, B: one }",
    "environment: { B: two, C: two }",
    "environment: { A: one, B: two, C: two }",
  ],
  ["a list is appended to", "cap_add: [SYS_TIME]", "cap_add: [NET_ADMIN]", "cap_add: [SYS_TIME, NET_ADMIN]"],
  [
    "what both lists have is there once",
    "cap_add: [SYS_TIME]",
    "cap_add: [SYS_TIME, NET_ADMIN]",
    "cap_add: [SYS_TIME, NET_ADMIN]",
  ],
  [
    "a list and a mapping of the same are one",
    "environment: [A=one, B=one]",
    "environment: { B: two }",
    "environment: { A: one, B: two }",
  ],
  [
    "a mapping and a list of the same are one",
    "labels: { a: one }",
    "labels: [a=two, b=two]",
    "labels: { a: two, b: two }",
  ],
  [
    "a build's lists and mappings of the same are one",
    "build: { context: /c, args: { A: 1 }, labels: { A: 1 }, additional_contexts: [one=/1], extra_hosts: ['a=1.1.1.1'] }",
    "build: { args: [B=2, A=3], labels: [B=2], additional_contexts: { two: /2 }, extra_hosts: { b: 2.2.2.2 } }",
    "build: { context: /c, dockerfile: Dockerfile, args: { A: '3', B: '2' }, labels: { A: '1', B: '2' }, additional_contexts: { one: /1, two: /2 }, extra_hosts: ['a=1.1.1.1', 'b=2.2.2.2'] }",
  ],
  [
    "annotations merge as labels do",
    "annotations: [a=one]",
    "annotations: { b: two }",
    "annotations: { a: one, b: two }",
  ],
  [
    "sysctls merge by name",
    "sysctls: [net.core.somaxconn=1]",
    "sysctls: { net.core.somaxconn: 2, net.ipv4.tcp_syncookies: 0 }",
    "sysctls: { net.core.somaxconn: '2', net.ipv4.tcp_syncookies: '0' }",
  ],
  ["command is replaced whole", "command: [a, b]", "command: c", "command: [c]"],
  ["entrypoint is replaced whole", "entrypoint: a b", "entrypoint: [c]", "entrypoint: [c]"],
  [
    "the test of a health check is replaced whole, and the rest merged",
    "healthcheck: { test: [CMD, a, b], interval: 5s }",
    "healthcheck: { test: [CMD, c], retries: 2 }",
    "healthcheck: { test: [CMD, c], interval: 5s, retries: 2 }",
  ],
  ["dns takes one and several", "dns: 1.1.1.1", "dns: [1.0.0.1]", "dns: [1.1.1.1, 1.0.0.1]"],
  ["tmpfs takes one and several", "tmpfs: /a", "tmpfs: [/b]", "tmpfs: [/a, /b]"],
  ["expose is appended to", "expose: ['80']", "expose: ['81']", "expose: ['80', '81']"],
  [
    "ports that differ are appended",
    "ports: ['8080:80']",
    "ports: ['8081:80']",
    "ports: [{ target: 80, published: '8080', mode: ingress, protocol: tcp }, { target: 80, published: '8081', mode: ingress, protocol: tcp }]",
  ],
  [
    "the same port in another form is there once",
    "ports: ['8080:80']",
    "ports: [{ target: 80, published: '8080', protocol: tcp }]",
    "ports: [{ target: 80, published: '8080', mode: ingress, protocol: tcp }]",
  ],
  [
    "of two volumes at one place the second counts",
    "volumes: ['data:/x', 'data:/y']",
    "volumes: ['other:/x:ro']",
    "volumes: [{ type: volume, source: other, target: /x, read_only: true }, { type: volume, source: data, target: /y }]",
  ],
  [
    "short and long volumes are told apart by place too",
    "volumes: ['data:/x']",
    "volumes: [{ type: tmpfs, target: /x }]",
    "tmpfs: [/x]",
  ],
  [
    "of two devices at one place the second counts",
    "devices: ['/dev/null:/dev/x']",
    "devices: ['/dev/zero:/dev/x']",
    "devices: ['/dev/zero:/dev/x:rwm']",
  ],
  [
    "of two secrets at one place the second counts",
    "secrets: [{ source: word, target: a }]",
    "secrets: [{ source: key, target: a }, word]",
    "secrets: [{ source: key, target: /run/secrets/a }, { source: word, target: /run/secrets/word }]",
  ],
  [
    "of two configs at one place the second counts",
    "configs: [conf]",
    "configs: [{ source: more, target: /conf }]",
    "configs: [{ source: more, target: /conf }]",
  ],
  [
    "networks take a list and a mapping",
    "networks: [front]",
    "networks: { front: { aliases: [a] }, back: }",
    "networks: { front: { aliases: [a] }, back: null }",
  ],
  [
    "aliases of a network are appended to",
    "networks: { front: { aliases: [a] } }",
    "networks: { front: { aliases: [b] } }",
    "networks: { front: { aliases: [a, b] } }",
  ],
  [
    "depends_on takes a list and a mapping",
    "depends_on: [db]",
    "depends_on: { db: { condition: service_completed_successfully }, cache: { condition: service_started } }",
    "depends_on: { db: { condition: service_completed_successfully, required: true }, cache: { condition: service_started, required: true } }",
  ],
  [
    "extra_hosts of one name have the addresses of both",
    "extra_hosts: [a=10.0.0.1, 'c:10.0.0.3']",
    "extra_hosts: { a: 10.0.0.2, c: [10.0.0.3, 10.0.0.4] }",
    "extra_hosts: ['a=10.0.0.1', 'a=10.0.0.2', 'c=10.0.0.3', 'c=10.0.0.4']",
  ],
  [
    "extra_hosts merge by name",
    "extra_hosts: [a=10.0.0.1]",
    "extra_hosts: { b: 10.0.0.2 }",
    "extra_hosts: ['a=10.0.0.1', 'b=10.0.0.2']",
  ],
  [
    "ulimits are replaced by name",
    "ulimits: { nofile: { soft: 1, hard: 2 }, nproc: 5 }",
    "ulimits: { nofile: 9 }",
    "ulimits: { nofile: { soft: 9, hard: 9 }, nproc: { soft: 5, hard: 5 } }",
  ],
  [
    "deploy is merged by key",
    "deploy: { resources: { limits: { memory: 64m } } }",
    "deploy: { resources: { limits: { pids: 5 } } }",
    "mem_limit: '67108864'\npids_limit: 5",
  ],
  [
    "update_config is merged by key",
    "deploy: { update_config: { parallelism: 2 } }",
    "deploy: { update_config: { delay: 1s } }",
    "deploy: { update_config: { order: stop-first, parallelism: 2, delay: 1s, monitor: 0s, failure_action: pause, max_failure_ratio: 0 } }",
  ],
  [
    "options of the same log driver are merged",
    "logging: { driver: local, options: { max-size: 1m } }",
    "logging: { driver: local, options: { max-file: 2 } }",
    "logging: { driver: local, options: { max-size: '1048576', max-file: '2' } }",
  ],
  [
    "options of another log driver are replaced",
    "logging: { driver: json-file, options: { max-size: 1m } }",
    "logging: { driver: local, options: { max-file: 2 } }",
    "logging: { driver: local, options: { max-file: '2' } }",
  ],
  ["profiles are appended to", "profiles: [a]", "profiles: [b]", "profiles: [a, b]"],
  [
    "hooks are appended to",
    "post_start: [{ command: [a] }]",
    "post_start: [{ command: [b] }]",
    "post_start: [{ command: [a] }, { command: [b] }]",
  ],
  // !reset
  ["!reset takes a text away", "user: a", "user: !reset null", "{}"],
  ["!reset takes a list away", "cap_add: [SYS_TIME]", "cap_add: !reset []", "{}"],
  [
    "!reset takes one key of a mapping away",
    "environment: { A: one, B: one }",
    "environment: { A: !reset null }",
    "environment: { B: one }",
  ],
  ["!reset of what is not there is nothing", "init: true", "user: !reset null", "init: true"],
  [
    "!reset takes what it says away, whatever stands behind it",
    "ports: ['8080:80']",
    "ports: !reset ['8081:80']",
    "{}",
  ],
  // !override
  [
    "!override replaces a list",
    "ports: ['8080:80']",
    "ports: !override ['8081:80']",
    "ports: [{ target: 80, published: '8081', mode: ingress, protocol: tcp }]",
  ],
  [
    "!override replaces a mapping",
    "environment: { A: one }",
    "environment: !override { B: two }",
    "environment: { B: two }",
  ],
  [
    "!override of what is not there is that",
    "init: true",
    "cap_add: !override [SYS_TIME]",
    "init: true\ncap_add: [SYS_TIME]",
  ],
];

describe("of two files", () => {
  it.each(RULES)("%s", (_rule, base, over, expected) => {
    const wanted = parse(expected) as Record<string, unknown>;
    const { image: _, networks, profiles, ...result } = merged(base, over);
    const shown = {
      ...result,
      ...("networks" in wanted ? { networks } : {}),
      ...(profiles ? { profiles } : {}),
    };
    expect(shown).toMatchObject(wanted);
    expect(Object.keys(shown).sort()).toEqual(Object.keys(wanted).sort());
    for (const key of Object.keys(wanted))
      expect(sorted((shown as Record<string, unknown>)[key])).toEqual(sorted(wanted[key]));
  });

  it("shows an error at its place, with the places that it overrides", () => {
    const text = problemsOf(file("pids_limit: 5"), {
      extra: { "over.yaml": file("pids_limit: many") },
      files: ["bay.yaml", "over.yaml"],
    });
    expect(text).toContain("over.yaml:4:17: error: services.web.pids_limit: expected a whole number");
    expect(text).toContain("over bay.yaml:4:17");
  });
});

/** The order of keys does not count. */
const sorted = (value: unknown): unknown => JSON.parse(JSON.stringify(value ?? null));

describe("by extends", () => {
  const extended = (base: string, own: string) => {
    const { stack } = loadText(
      `services:\n  base:\n    image: app\n    ${base}\n  web:\n    extends: base\n    ${own}\n  db: { image: app }\n${MORE}`,
      { environment: { W: "w" } },
    );
    return (toCompose(stack) as { services: Record<string, Record<string, unknown>> }).services.web!;
  };

  it.each([
    ["a text of its own counts", "user: a", "user: b", { user: "b" }],
    ["what it does not have is the other's", "user: a", "init: true", { user: "a", init: true }],
    [
      "mappings are merged",
      "environment: { A: one, B: one }",
      "environment: { B: two }",
      { environment: { A: "one", B: "two" } },
    ],
    [
      "lists are appended to",
      "cap_add: [SYS_TIME]",
      "cap_add: [NET_ADMIN]",
      { cap_add: ["SYS_TIME", "NET_ADMIN"] },
    ],
    ["a command is replaced", "command: [a, b]", "command: [c]", { command: ["c"] }],
    [
      "volumes of one place are replaced",
      "volumes: ['data:/x']",
      "volumes: ['other:/x']",
      { volumes: [{ type: "volume", source: "other", target: "/x" }] },
    ],
    [
      "what it depends on comes along",
      "depends_on: [db]",
      "init: true",
      { depends_on: { db: { condition: "service_started", required: true } } },
    ],
    ["secrets come along", "secrets: [word]", "init: true", { secrets: [{ source: "word" }] }],
    [
      "a health check can be turned off",
      "healthcheck: { test: 'true' }",
      "healthcheck: { disable: true }",
      { healthcheck: { test: ["NONE"] } },
    ],
    ["!reset takes away", "user: a", "user: !reset null", { user: undefined }],
    [
      "!override replaces",
      "cap_add: [SYS_TIME]",
      "cap_add: !override [NET_ADMIN]",
      { cap_add: ["NET_ADMIN"] },
    ],
  ])("%s", (_rule, base, own, expected) => {
    const result = extended(base, own);
    for (const [key, value] of Object.entries(expected))
      if (value === undefined) expect(result).not.toHaveProperty(key);
      else expect({ [key]: result[key] }).toMatchObject({ [key]: value });
  });
});
