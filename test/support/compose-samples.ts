/** Stack files that, together, have every property of the Compose specification; what bay does with each is read off them. */

const service = (text: string, more = "") =>
  `services:\n  web:\n    image: app\n${text
    .trim()
    .split("\n")
    .map((line) => `    ${line}`)
    .join("\n")}\n${more}`;

export const SAMPLES: string[] = [
  "version: '3.9'\nname: demo\nservices: { web: { image: app } }\n",
  "include:\n  - { path: [other.yaml], env_file: [.other], project_directory: . }\nservices: { web: { image: app } }\n",
  service(`
develop:
  watch:
    - { path: src, action: sync+exec, target: /src, ignore: [a], include: [b], initial_sync: true, exec: { command: a, user: b, privileged: true, working_dir: /, environment: [A=b] } }
`),
  service(`
deploy:
  mode: replicated
  endpoint_mode: dnsrr
  replicas: 2
  labels: { a: b }
  rollback_config: { parallelism: 1, delay: 1s, failure_action: pause, monitor: 1s, max_failure_ratio: 0.1, order: stop-first }
  update_config: { parallelism: 1, delay: 1s, failure_action: rollback, monitor: 1s, max_failure_ratio: 0.1, order: start-first }
  resources:
    limits: { cpus: '0.5', memory: 64m, pids: 10 }
    reservations: { cpus: '0.1', memory: 16m }
  restart_policy: { condition: on-failure, delay: 5s, max_attempts: 3, window: 60s }
  placement: { constraints: [node.role == manager], preferences: [{ spread: node.labels.zone }], max_replicas_per_node: 1 }
`),
  service(`
deploy:
  resources:
    reservations:
      generic_resources: [{ discrete_resource_spec: { kind: ssd, value: 2 } }]
      devices: [{ capabilities: [gpu], count: 1, device_ids: ["0"], driver: nvidia, options: { a: b } }]
`),
  service(
    `
annotations: { a: b }
attach: false
build:
  context: .
  dockerfile: Dockerfile
  entitlements: [security.insecure]
  args: { A: b }
  ssh: [key=word]
  labels: { a: b }
  cache_from: [app:cache]
  cache_to: [type=inline]
  no_cache: false
  additional_contexts: { other: . }
  network: none
  pull: false
  target: last
  shm_size: 64m
  extra_hosts: [a=10.0.0.1]
  privileged: false
  secrets: [{ source: word, target: word, uid: "0", gid: "0", mode: 0400 }]
  tags: [app:two]
  ulimits: { nofile: { soft: 10, hard: 20 } }
  platforms: [linux/amd64]
`,
    "secrets: { word: { environment: WORD } }\n",
  ),
  service("build: { dockerfile_inline: FROM scratch }"),
  service("build: { context: ., provenance: true, sbom: true, isolation: default }"),
  service(`
blkio_config:
  weight: 100
  weight_device: [{ path: /dev/vda, weight: 100 }]
  device_read_bps: [{ path: /dev/vda, rate: 1m }]
  device_read_iops: [{ path: /dev/vda, rate: 10 }]
  device_write_bps: [{ path: /dev/vda, rate: 1m }]
  device_write_iops: [{ path: /dev/vda, rate: 10 }]
`),
  service(
    `
cap_add: [NET_ADMIN]
cap_drop: [ALL]
cgroup: private
command: run
configs: [{ source: conf, target: /conf, uid: "0", gid: "0", mode: 0444 }]
container_name: one
cpu_shares: 10
cpu_quota: 50000
cpu_period: 100000
cpuset: "0"
`,
    "configs: { conf: { name: conf, content: a, labels: { a: b } } }\n",
  ),
  service("cgroup_parent: jobs/nightly"),
  service("cpu_count: 1\ncpu_percent: 1\ncpu_rt_period: 1\ncpu_rt_runtime: 1\ncpus: 0.5"),
  service("credential_spec: { config: a, file: b, registry: c }"),
  service(
    `
depends_on: { db: { restart: true, required: true, condition: service_started } }
device_cgroup_rules: ["c 1:3 r"]
devices: [/dev/null]
dns: 1.1.1.1
dns_opt: [ndots:1]
dns_search: example.com
domainname: example.com
entrypoint: /start
env_file: [{ path: .other, format: raw, required: false }]
label_file: labels
environment: { A: b }
expose: ["80"]
extra_hosts: [a=10.0.0.1]
group_add: ["10"]
`,
    "  db: { image: app }\n",
  ),
  service("devices: [{ source: /dev/null, target: /dev/null, permissions: r }]"),
  service("extends: { service: base, file: base.yaml }"),
  service("provider: { type: model, options: { a: b } }"),
  service("external_links: [other]"),
  service("gpus: [{ capabilities: [gpu], count: 1, device_ids: ['0'], driver: nvidia, options: { a: b } }]"),
  service(
    `
healthcheck: { disable: false, interval: 5s, retries: 2, test: 'true', timeout: 5s, start_period: 5s, start_interval: 1s }
hostname: web
init: true
ipc: host
isolation: default
labels: { a: b }
links: [db]
logging: { driver: local, options: { max-size: 1m } }
mac_address: 02:42:ac:11:00:03
mem_limit: 64m
mem_reservation: 16m
mem_swappiness: 10
memswap_limit: 128m
`,
    "  db: { image: app }\n",
  ),
  service("network_mode: host"),
  service(
    "models: { llm: { endpoint_var: A, model_var: B } }",
    "models: { llm: { name: a, model: b, context_size: 1, runtime_flags: [c] } }\n",
  ),
  service(
    "networks: { front: { aliases: [w], interface_name: eth5, ipv4_address: 10.1.0.9, ipv6_address: 'fd00::5', mac_address: 02:42:ac:11:00:03, priority: 10, gw_priority: 10 } }",
    "networks: { front: { enable_ipv6: true, ipam: { driver: default, config: [{ subnet: 10.1.0.0/16, ip_range: 10.1.1.0/24, gateway: 10.1.0.1, aux_addresses: { a: 10.1.0.5 } }, { subnet: 'fd00::/64' }] } } }\n",
  ),
  service(
    "networks: { front: { link_local_ips: [169.254.1.1], driver_opts: { a: b } } }",
    "networks: { front: }\n",
  ),
  service(
    `
oom_kill_disable: true
oom_score_adj: 100
pid: host
pids_limit: 10
platform: linux/amd64
ports: [{ name: web, mode: host, host_ip: 127.0.0.1, target: 80, published: "8080", protocol: tcp, app_protocol: http }]
post_start: [{ command: a, user: b, privileged: false, working_dir: /, environment: [A=b] }]
pre_stop: [{ command: a, user: b, privileged: false, working_dir: /, environment: [A=b] }]
privileged: false
profiles: [dev]
pull_policy: refresh
pull_refresh_after: 1h
read_only: true
restart: always
scale: 1
security_opt: [no-new-privileges]
shm_size: 64m
secrets: [{ source: word, target: word, uid: "0", gid: "0", mode: 0400 }]
sysctls: { net.core.somaxconn: 10 }
stdin_open: true
stop_grace_period: 5s
stop_signal: SIGINT
tmpfs: /tmp
tty: true
ulimits: { nofile: { soft: 10, hard: 20 } }
user: "10"
uts: host
userns_mode: host
working_dir: /
`,
    "secrets: { word: { name: word, environment: WORD, labels: { a: b } } }\n",
  ),
  service("runtime: runc"),
  service("storage_opt: { size: 1G }"),
  service("use_api_socket: true"),
  service(
    `
volumes:
  - { type: bind, source: /var, target: /a, read_only: true, consistency: cached, bind: { propagation: rslave, create_host_path: false, recursive: enabled } }
  - { type: volume, source: data, target: /b, volume: { labels: { a: b }, nocopy: true, subpath: part } }
  - { type: tmpfs, target: /c, tmpfs: { size: 1m, mode: 0700 } }
volumes_from: [db]
`,
    "  db: { image: app }\nvolumes: { data: { name: data, driver: local, driver_opts: { type: none, o: bind, device: /var/data }, labels: { a: b } } }\n",
  ),
  service("volumes: [{ type: bind, source: /var, target: /a, bind: { selinux: z } }]"),
  service("volumes: [{ type: image, source: app, target: /a, image: { subpath: a } }]"),
  service(
    "networks: { front: }",
    "networks: { front: { name: front, driver: bridge, driver_opts: { mtu: 1400 }, internal: true, enable_ipv4: true, enable_ipv6: false, attachable: true, labels: { a: b } }, back: { external: { name: back } } }\n",
  ),
  service("init: true", "networks: { front: { ipam: { options: { a: b } } } }\n"),
  service("init: true", "volumes: { data: { external: { name: data } } }\n"),
  service("init: true", "secrets: { word: { file: word } }\nconfigs: { conf: { file: word } }\n"),
  service("init: true", "configs: { conf: { environment: WORD } }\n"),
  service("init: true", "secrets: { word: { external: { name: word } } }\n"),
  service(
    "init: true",
    "secrets: { word: { driver: a, driver_opts: { a: b }, template_driver: golang, file: word } }\n",
  ),
  service("init: true", "configs: { conf: { external: { name: conf } } }\n"),
  service("init: true", "configs: { conf: { template_driver: golang, file: word } }\n"),
];

/** Files beside each of them. */
export const FILES: Record<string, string> = {
  "other.yaml": "services: { other: { image: app } }\n",
  "base.yaml": "services: { base: { image: app } }\n",
  ".other": "A=b\n",
  labels: "a=b\n",
  word: "word",
};
