import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { type Stack, toCompose } from "../../../../src/stack/index.ts";
import { loadText } from "../../../support/stack.ts";

const EVERYTHING = `
images:
  app: { host: { commands: [node], files: [/etc/ssl], users: [app] }, config: { entrypoint: [node], environment: [A=1], expose: [80], volumes: [/v], labels: { a: b }, healthcheck: { test: [CMD, "true"], interval: 1.5s } } }
  tree: { rootfs: ./tree }
  saved: { archive: { path: a.tar, reference: "x:1" } }
services:
  web:
    image: app
    command: serve "80 81" '$$HOME'
    entrypoint: []
    environment: { A: 1, EMPTY: "", PRICE: "5$$", MISSING: }
    working_dir: /srv
    user: 1000:1000
    group_add: [audio]
    hostname: h
    domainname: d.example
    volumes:
      - data:/data:ro
      - ./src:/src
      - /anon
      - { type: bind, source: /etc, target: /host-etc, read_only: true, bind: { create_host_path: false, recursive: disabled } }
      - { type: volume, source: data, target: /second, volume: { nocopy: true } }
      - { type: tmpfs, target: /scratch, tmpfs: { size: 1m, mode: 448 } }
    tmpfs: [/run, "/tmp:size=10m,noexec"]
    ports: ["8080-8081:80-81", "127.0.0.1:53:53/udp", "[::1]:90:90", "99"]
    expose: [7]
    networks: { back: { aliases: [w], ipv4_address: 10.9.0.9 }, default: { priority: 5 } }
    dns: 1.1.1.1
    dns_search: [a.example]
    dns_opt: [ndots:2]
    extra_hosts: ["a:10.0.0.1", "b=host-gateway"]
    depends_on: { db: { condition: service_completed_successfully, required: false, restart: true } }
    healthcheck: { test: curl localhost, interval: 1m30s, timeout: 500ms, retries: 4, start_period: 2s, start_interval: 100ms }
    restart: on-failure:3
    stop_signal: SIGINT
    stop_grace_period: 1h
    init: true
    read_only: true
    cap_add: [NET_ADMIN]
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true", "seccomp=unconfined"]
    devices: ["/dev/fuse", "/dev/null:/dev/nothing:r"]
    ulimits: { nofile: { soft: 10, hard: 20 }, nproc: 5 }
    sysctls: { net.core.somaxconn: 1024 }
    shm_size: 128m
    oom_score_adj: 100
    labels: [a=b]
    annotations: { x.y: z }
    cpus: 0.5
    cpu_shares: 512
    cpuset: 0-1
    mem_limit: 64m
    mem_reservation: 32m
    memswap_limit: 128m
    pids_limit: 50
    tty: true
    stdin_open: true
    logging: { driver: local, options: { max-size: 10m, max-file: "3" } }
    attach: false
    container_name: the-web
  db: { image: saved, privileged: true, pid: host, ipc: host, network_mode: host, healthcheck: { disable: true } }
  many: { image: tree, deploy: { replicas: 3, resources: { limits: { cpus: "2", memory: 1g, pids: 9 }, reservations: { memory: 512m } } }, networks: [back] }
  side: { image: tree, network_mode: "service:db" }
networks:
  back: { internal: true, ipam: { config: [{ subnet: 10.9.0.0/24, gateway: 10.9.0.1 }] }, driver_opts: { mtu: 1400 }, labels: { n: 1 } }
  out: { external: true, name: shared }
volumes: { data: { labels: { v: 1 } }, other: { external: true } }
`;

const meaning = ({ files: _, ...stack }: Stack) => JSON.parse(JSON.stringify(stack)) as unknown;

describe("a stack written as a Compose file", () => {
  it("means the same when it is read again", () => {
    const { stack } = loadText(EVERYTHING);
    const again = loadText(stringify(toCompose(stack)), {
      files: ["bay.yaml"],
      projectDirectory: stack.directory,
    }).stack;
    expect(meaning(again)).toEqual(meaning(stack));
    expect(toCompose(again)).toEqual(toCompose(stack));
  });

  it("has long forms and names on the host, and omits defaults", () => {
    const { stack } = loadText(
      'services: { a: { image: x, ports: ["80:81"], mem_limit: 1k } }'.replace("1k", "8m"),
    );
    expect(toCompose(stack)).toEqual({
      name: "demo",
      services: {
        a: {
          image: "x",
          ports: [{ mode: "ingress", target: 81, published: "80", protocol: "tcp" }],
          networks: { default: null },
          mem_limit: "8388608",
        },
      },
      networks: { default: { name: "demo_default" } },
    });
  });
});
