/** Wrong stack files, each with the whole text that a user sees: test/unit/stack/wrong/NAME.txt. */
import { describe, expect, it } from "vitest";
import { problemsOf } from "../../support/stack.ts";

const web = (text: string, more = "") =>
  `services:\n  web:\n    image: app\n${text
    .split("\n")
    .map((line) => `    ${line}`)
    .join("\n")}\n${more}`;

/** By what is wrong. Files beside the stack file come after it. */
const FILES: Record<string, string | [text: string, extra: Record<string, string>]> = {
  // YAML
  "yaml-quote": 'services:\n  web:\n    image: "app\n    command: run\n',
  "yaml-indent": "services:\n  web:\n    image: app\n   command: run\n",
  "yaml-tab": "services:\n\tweb:\n\t\timage: app\n",
  "yaml-twice": "services:\n  web:\n    image: app\n    image: other\n",
  "yaml-alias": "services:\n  web: *nothing\n",
  "yaml-tag": "services:\n  web:\n    image: !secret app\n",
  "yaml-several": "services:\n  web:\n    image: 'app\n  db:\n    image: [app\n",
  "yaml-merge-key": "services:\n  web:\n    <<: word\n    image: app\n",
  empty: "",
  "not-a-mapping": "- services\n",
  // keys
  "unknown-key": web("healtcheck: { test: 'true' }"),
  "unknown-top-key": "servces: { web: { image: app } }\n",
  "unknown-nested-key": web("healthcheck: { test: 'true', intervall: 5s }"),
  "unknown-far-key": web("qwertz: 1"),
  "unsupported-key": web("cpu_count: 2\nstorage_opt: { size: 1G }"),
  "unsupported-models": web("init: true", "models: { llm: { model: a } }\n"),
  "many-problems": web("port: [80]\nmem_limit: lots\nrestart: sometimes\ncpus: a\nstop_grace_period: soon"),
  // kinds of values
  "service-is-a-list": "services:\n  web: [app]\n",
  "no-image": "services:\n  web:\n    command: run\n",
  "image-is-no-name": "services: { web: { image: 'App:La test' } }\n",
  "list-instead-of-text": web("hostname: [a, b]"),
  "mapping-instead-of-list": web("cap_add: { NET_ADMIN: true }"),
  "bad-service-name": "services:\n  'a b': { image: app }\n",
  "bad-stack-name": "name: 'A stack!'\nservices: { web: { image: app } }\n",
  // units
  "bad-size": web("mem_limit: 64 megs"),
  "bad-duration": web("stop_grace_period: 10"),
  "bad-number": web("cpus: many"),
  "negative-replicas": web("scale: -1"),
  "too-little-memory": web("mem_limit: 1m"),
  "swap-below-memory": web("mem_limit: 64m\nmemswap_limit: 32m"),
  "bad-signal": web("stop_signal: SIGNOTHING"),
  "bad-restart": web("restart: on-failure:x"),
  "bad-user-limit": web("ulimits: { nofile: many }"),
  "bad-sysctl": web("sysctls: { kernel.panic: 1 }"),
  "quote-in-command": web("command: echo 'hello"),
  // ports
  "bad-port": web("ports: ['80:http']"),
  "port-too-large": web("ports: ['99999:80']"),
  "port-ranges-differ": web("ports: ['8000-8005:80-81']"),
  "port-twice": web("ports: ['8080:80', '8080:81']"),
  "port-of-two-services":
    "services:\n  a: { image: app, ports: ['80:80'] }\n  b: { image: app, ports: ['80:80'] }\n",
  "port-with-host-network": web("network_mode: host\nports: ['80:80']"),
  // mounts
  "bad-volume": web("volumes: ['a:b:c:d']"),
  "relative-target": web("volumes: ['data:data']", "volumes: { data: }\n"),
  "volume-not-declared": web("volumes: ['dta:/data']", "volumes: { data: }\n"),
  "mount-type": web("volumes: [{ type: cluster, source: a, target: /a }]"),
  "subpath-out": web(
    "volumes: [{ type: volume, source: data, target: /a, volume: { subpath: ../b } }]",
    "volumes: { data: }\n",
  ),
  "volume-driver-opts":
    "services: { web: { image: app } }\nvolumes: { data: { driver_opts: { type: cifs, o: 'password=a', device: //host/a } } }\n",
  "volume-driver-option":
    "services: { web: { image: app } }\nvolumes: { data: { driver_opts: { type: nfs, o: addr=10.0.0.1, size: 5 } } }\n",
  // networks
  "network-not-declared": web("networks: [fornt]", "networks: { front: }\n"),
  "network-mode-with-networks": web("network_mode: host\nnetworks: [default]"),
  "bad-subnet":
    "services: { web: { image: app } }\nnetworks: { front: { ipam: { config: [{ subnet: 10.0.0.1/8 }] } } }\n",
  "range-outside":
    "services: { web: { image: app } }\nnetworks: { front: { ipam: { config: [{ subnet: 10.1.0.0/16, ip_range: 10.2.0.0/24 }] } } }\n",
  "subnets-overlap":
    "services: { web: { image: app } }\nnetworks: { front: { ipam: { config: [{ subnet: 10.1.0.0/16 }, { subnet: 10.1.5.0/24 }] } } }\n",
  "subnet-is-missing":
    "services: { web: { image: app } }\nnetworks: { front: { ipam: { config: [{ subnet: 10.1.0.0/16 }, { gateway: 10.2.0.1 }] } } }\n",
  "gateway-outside":
    "services: { web: { image: app } }\nnetworks: { front: { ipam: { config: [{ subnet: 10.1.0.0/16, gateway: 10.2.0.1 }] } } }\n",
  "gateway-is-reserved":
    "services: { web: { image: app } }\nnetworks: { front: { ipam: { config: [{ subnet: 10.1.0.0/16, aux_addresses: { router: 10.1.0.1 } }] } } }\n",
  "address-without-ipv6": web("networks: { front: { ipv6_address: 'fd00::5' } }", "networks: { front: }\n"),
  "address-outside-ipv6": web(
    "networks: { front: { ipv6_address: 'fd01::5' } }",
    "networks: { front: { enable_ipv6: true, ipam: { config: [{ subnet: 'fd00::/64' }] } } }\n",
  ),
  "address-outside": web(
    "networks: { front: { ipv4_address: 10.9.0.1 } }",
    "networks: { front: { ipam: { config: [{ subnet: 10.1.0.0/16 }] } } }\n",
  ),
  "image-mount": web(
    "volumes:\n  - { type: image, target: /a }\n  - { type: image, source: 'A b', target: /b }\n  - { type: image, source: app, target: /c, read_only: false, image: { subpath: ../x } }",
  ),
  "bad-extra-host": web("extra_hosts: [nothing]"),
  "bad-mac": web("mac_address: 00-11"),
  // other services
  "depends-on-nothing": web("depends_on: [bd]", "  db: { image: app }\n"),
  "depends-on-itself": web("depends_on: [web]"),
  circle:
    "services:\n  a: { image: app, depends_on: [b] }\n  b: { image: app, depends_on: [c] }\n  c: { image: app, depends_on: [a] }\n",
  "depends-on-bad-condition": web("depends_on: { db: { condition: ready } }", "  db: { image: app }\n"),
  "healthy-without-check": web(
    "depends_on: { db: { condition: service_healthy } }",
    "  db: { image: app, healthcheck: { disable: true } }\n",
  ),
  "profile-off": web("depends_on: [db]", "  db: { image: app, profiles: [data] }\n"),
  "link-to-nothing": web("links: [db]"),
  "network-of-nothing": web("network_mode: service:db"),
  "volumes-from-nothing": web("volumes_from: [db]"),
  "same-container-name":
    "services:\n  a: { image: app, container_name: one }\n  b: { image: app, container_name: one }\n",
  // extends, include, merge
  "extends-nothing": web("extends: bse", "  base: { image: app }\n"),
  "extends-circle": "services:\n  a: { extends: b }\n  b: { extends: a }\n",
  "extends-no-file": web("extends: { service: base, file: none.yaml }"),
  "extends-in-other-file": [
    web("extends: { service: base, file: other.yaml }\nmem_limit: 128m"),
    { "other.yaml": "services:\n  base:\n    mem_limit: 64m\n    restart: never\n" },
  ],
  "include-several": [
    "include:\n  - path: missing.yaml\n  - { path: other.yaml, envfile: x }\n  - oci://foo/bar\n  - broken.yaml\n  - { project_directory: . }\nservices:\n  web: { imag: app }\n  db: { extends: { service: x, file: broken.yaml }, depends_on: [elsewhere] }\n",
    { "other.yaml": "services: { a: { image: app } }\n", "broken.yaml": "services:\n  x: { image: 'app\n" },
  ],
  "env-file-line": [
    web("env_file: [good.env, { path: raw.env, format: raw }]"),
    { "good.env": "A=1\n", "raw.env": "A=1\n B=2\n=3\n" },
  ],
  "external-and-more": web(
    "init: true",
    "networks: { out: { external: true, driver: bridge, labels: { a: b } } }\nvolumes: { data: { external: true, name: d, driver_opts: { type: tmpfs } } }\n",
  ),
  "tmpfs-from-somewhere": web(
    "volumes: [{ type: tmpfs, source: data, target: /t }]\nconfigs: [{ source: c, mode: 99999 }]",
    "configs: { c: { content: a } }\n",
  ),
  "include-nothing": "include: [none.yaml]\nservices: { web: { image: app } }\n",
  "include-circle": [
    "include: [other.yaml]\nservices: { web: { image: app } }\n",
    { "other.yaml": "include: [bay.yaml]\n" },
  ],
  "include-same-name": [
    "include: [other.yaml]\nservices: { web: { image: app } }\n",
    { "other.yaml": "services: { web: { image: other } }\n" },
  ],
  "include-wrong-file": [
    "include: [other.yaml]\nservices: { web: { image: app } }\n",
    { "other.yaml": "services: { db: { image: app, comand: run } }\n" },
  ],
  "include-env-file":
    "include: [{ path: other.yaml, env_file: none.env }]\nservices: { web: { image: app } }\n",
  // variables
  "variable-needed": web("user: ${UID_OF_APP:?set it in .env}"),
  "variable-open": web("user: ${UID_OF_APP"),
  "variable-bad": web("user: ${a b}"),
  // files
  "env-file-missing": web("env_file: none.env"),
  "secret-not-declared": web("secrets: [word]"),
  "secret-without-source": web("secrets: [word]", "secrets: { word: {} }\n"),
  "secret-two-sources": web("init: true", "secrets: { word: { file: a, environment: B } }\n"),
  "secret-external": web("init: true", "secrets: { word: { external: true } }\n"),
  // rights, checks, hooks, logs, updates
  "bad-capability": web("cap_add: [NET_EVERYTHING]"),
  "bad-security": web("security_opt: ['apparmor:mine', 'label:type:a', 'seccomp=none.json']"),
  "bad-device": web("devices: [null]"),
  "bad-healthcheck": web("healthcheck: { test: [RUN, a] }"),
  "bad-hook": web("post_start: [{ command: '' }]"),
  "log-driver": web("logging: { driver: fluentd, options: { syslog-address: a } }"),
  "log-option": web("logging: { options: { max-size: much, labels: a } }"),
  "update-values": web(
    "deploy: { update_config: { order: both, parallelism: -1, monitor: x, failure_action: stop, max_failure_ratio: 3 } }",
  ),
  "scale-twice": web("scale: 2\ndeploy: { replicas: 3 }"),
  "name-and-replicas": web("container_name: one\nscale: 2"),
  // builds and images
  "build-and-nothing": "services: { web: { build: { contxt: . } } }\n",
  "build-service-context":
    "services: { web: { build: { context: ., additional_contexts: { a: 'service:none' } } } }\n",
  "image-without-source": "services: { web: { image: own } }\nimages: { own: {} }\n",
  "image-two-sources": "services: { web: { image: own } }\nimages: { own: { rootfs: ., host: [sh] } }\n",
  "image-bad-package":
    "services: { web: { image: own } }\nimages: { own: { apt: { suite: bookworm, packages: ['-rf'] } } }\n",
};

describe("a wrong file", () => {
  it.each(Object.entries(FILES))("%s", async (name, given) => {
    const [text, extra] = typeof given === "string" ? [given, {}] : given;
    const shown = problemsOf(text, { extra }).replaceAll(/\/\S*\/bay-stack-\w+/g, "FOLDER");
    await expect(`${text}\n===\n${shown}\n`).toMatchFileSnapshot(`wrong/${name}.txt`);
  });
});
