/** Small stacks of all kinds for the leak test; what they have follows from the numbers that are given. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Bay } from "./bay.ts";

/** A number of [0, 1). */
export type Random = () => number;

export const oneOf = <T>(random: Random, choices: readonly T[]): T =>
  choices[Math.floor(random() * choices.length)]!;

export const STACKS = ["leak-one", "leak-two"] as const;
export type StackName = (typeof STACKS)[number];
type Service = Record<string, unknown>;

const COMMANDS = [
  "sleep 1000",
  ["sh", "-c", "while echo line; do sleep 0.2; done"],
  ["sh", "-c", "cat; sleep 1; exit 3"],
];
const NETWORKS = [["default"], ["front"], ["front", "back"], ["default", "back"]];

/** The stacks as they were last written: JSON is YAML. */
export class LeakStacks {
  readonly #services = new Map<StackName, Record<string, Service>>();

  constructor(readonly bay: Bay) {
    bay.busybox();
    bay.write("a secret\n", "word");
    for (const name of STACKS) this.#write(name, { a: { image: "box", command: "sleep 1000" } });
  }

  /** Chooses all services anew. */
  choose(random: Random, name: StackName): void {
    const keys = ["a", "b", "c"].slice(0, 1 + Math.floor(random() * 3));
    this.#write(
      name,
      Object.fromEntries(keys.map((key) => [key, randomService(random, this.#place(name), key)])),
    );
  }

  /** Changes what a container that runs can take: its networks, limits and ports. */
  change(random: Random, name: StackName): void {
    const services = { ...this.#services.get(name)! };
    const key = oneOf(random, Object.keys(services));
    const service: Service = { ...services[key], mem_limit: oneOf(random, ["64m", "96m"]) };
    if (!("network_mode" in service)) service.networks = oneOf(random, NETWORKS);
    if ("ports" in service) service.ports = ports(random, this.#place(name));
    this.#write(name, { ...services, [key]: service });
  }

  /** A number below 90 for the stack's subnets and port, which another bay beside this one most likely does not have. */
  #place(name: StackName): number {
    return (Number.parseInt(this.bay.tag, 16) % 45) * 2 + STACKS.indexOf(name);
  }

  #write(name: StackName, services: Record<string, Service>): void {
    this.#services.set(name, services);
    const second = 160 + this.#place(name);
    const subnet = (at: number) => ({ ipam: { config: [{ subnet: `10.${second}.${at}.0/24` }] } });
    const stack = {
      name,
      images: { box: { rootfs: "../busybox" } },
      services,
      networks: {
        default: subnet(0),
        front: { ...subnet(1), enable_ipv6: true },
        back: { ...subnet(2), internal: true },
      },
      volumes: { data: null },
      secrets: { word: { file: "./word" } },
    };
    writeFileSync(join(this.bay.folder, "stack", `${name}.yaml`), JSON.stringify(stack, undefined, 2));
  }
}

/** Most of what needs something on the host: links, mounts, files, sockets, execs of bay's own. */
function randomService(random: Random, place: number, key: string): Service {
  const maybe = (chance: number, fields: () => Service): Service => (random() < chance ? fields() : {});
  const isAlone = random() < 0.15;
  return {
    image: "box",
    command: oneOf(random, COMMANDS),
    stop_grace_period: "0s",
    ...(isAlone ? { network_mode: "none" } : { networks: oneOf(random, NETWORKS) }),
    ...maybe(0.4, () => ({ volumes: ["data:/data", "/anonymous"] })),
    ...maybe(0.4, () => ({ init: true })),
    ...maybe(0.2, () => ({ tty: true })),
    ...maybe(0.3, () => ({ stdin_open: true })),
    ...maybe(0.4, () => ({ secrets: ["word"] })),
    ...maybe(0.4, () => ({ restart: oneOf(random, ["always", "on-failure:2"]) })),
    ...maybe(0.5, () => ({ healthcheck: { test: "sleep 0.2", interval: "300ms", timeout: "5s" } })),
    ...maybe(0.2, () => ({ post_start: [{ command: ["sleep", "0.3"] }] })),
    ...maybe(0.2, () => ({ pre_stop: [{ command: ["sleep", "0.1"] }] })),
    ...(key === "a" && !isAlone ? maybe(0.6, () => ({ ports: ports(random, place) })) : {}),
    ...(key === "b" ? maybe(0.4, () => ({ scale: 2 })) : {}),
  };
}

function ports(random: Random, place: number): string[] {
  const fixed = `127.0.0.1:${19100 + place}:81`;
  return oneOf(random, [["80"], [fixed], ["80", "82/udp"], ["80", fixed, "82/udp"]]);
}
