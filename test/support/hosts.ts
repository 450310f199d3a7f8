/**
 * Several hosts on one machine: each has a network namespace with an address on a common segment, and a mount namespace whose
 * /sys shows that network. Each runs a bay of its own. Nothing of them is in the network of the machine.
 */
import { execFileSync, type SpawnSyncReturns, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { inNamespace, setTransmitChecksum } from "../../src/linux/index.ts";
import { Bay, type BayHost, eventually } from "./bay.ts";
import { own } from "./owned.ts";

const run = (program: string, ...args: string[]) =>
  execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

/** One host: its namespaces, and the bay in it. */
export class TestHost implements BayHost {
  readonly bay: Bay;
  readonly #holder: ReturnType<typeof spawn>;
  #hasOpenVSwitch = false;

  constructor(
    readonly name: string,
    readonly namespace: string,
    readonly address: string,
  ) {
    this.bay = new Bay(this);
    const cgroups = join(this.bay.folder, "cgroups");
    mkdirSync(cgroups);
    const script = [
      `mount --rbind /sys/fs/cgroup ${cgroups}`,
      "mount -t sysfs sysfs /sys",
      `mount --rbind ${cgroups} /sys/fs/cgroup`,
      "echo ready",
      "exec sleep infinity",
    ].join(" && ");
    this.#holder = spawn(
      "nsenter",
      [`--net=/run/netns/${namespace}`, "unshare", "-m", "--propagation", "private", "sh", "-c", script],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
  }

  /** Resolves when the host's mounts are ready. */
  ready(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#holder.stdout!.once("data", () => resolve());
      this.#holder.once("exit", (code) => reject(new Error(`the host ${this.name} ended with ${code}`)));
    });
  }

  /** The command that runs another in this host, in a folder. */
  enter(folder: string): string[] {
    const inFolder = ["sh", "-c", 'cd "$0" && exec "$@"', folder];
    return ["nsenter", "-t", String(this.#holder.pid), "-m", "-n", ...inFolder];
  }

  /**
   * Starts Open vSwitch in this host, with a database of its own, and gives it the host's interface: its datapath in user space
   * reaches other hosts only through a bridge of its own.
   */
  startOpenVSwitch(): void {
    const detached = "--pidfile --detach --no-chdir --log-file=/dev/null -vconsole:off -vsyslog:off";
    const addresses = [`${this.address}/24`, `fd77::${this.address.split(".").at(-1)}/64`];
    const script = [
      "mkdir -p /run/openvswitch && mount -t tmpfs tmpfs /run/openvswitch && cd /run/openvswitch",
      "ovsdb-tool create conf.db /usr/share/openvswitch/vswitch.ovsschema",
      `ovsdb-server conf.db --remote=punix:/run/openvswitch/db.sock ${detached}`,
      "ovs-vsctl --no-wait init",
      `ovs-vswitchd ${detached}`,
      "ovs-vsctl add-br underlay -- set bridge underlay datapath_type=netdev -- add-port underlay eth0",
      "ip addr flush dev eth0 && ip link set underlay up",
      ...addresses.map((address) => `ip addr add ${address} dev underlay`),
      "ip route replace default via 10.77.0.254",
    ];
    this.#hasOpenVSwitch = true;
    // the other end of the interface is no network card that fills in checksums
    inNamespace(`/run/netns/${this.namespace}`, () => setTransmitChecksum("eth0", false));
    this.run("sh", "-ec", script.join("\n"));
  }

  /** Runs a program in this host. Gives its output; throws if it fails. */
  run(...command: string[]): string {
    const [program, ...args] = [...this.enter("/"), ...command];
    return run(program!, ...args);
  }

  /** Runs a program in this host. */
  try(...command: string[]): SpawnSyncReturns<string> {
    const [program, ...args] = [...this.enter("/"), ...command];
    return spawnSync(program!, args, { encoding: "utf8" });
  }

  /** Cuts the host from the others, or connects it again. */
  setLink(isUp: boolean): void {
    this.run("ip", "link", "set", "eth0", isUp ? "up" : "down");
  }

  close(): void {
    this.bay.close();
    if (this.#hasOpenVSwitch) this.try("sh", "-c", "kill $(cat /run/openvswitch/*.pid)");
    this.#holder.kill("SIGKILL");
  }
}

/** The hosts of a test, joined by a bridge. */
export class TestHosts {
  readonly #tag = randomBytes(3).toString("hex");
  readonly all: TestHost[] = [];
  readonly #strangers: TestHost[] = [];

  get #everyone(): TestHost[] {
    return [...this.all, ...this.#strangers];
  }

  get #switch(): string {
    return `bayt${this.#tag}-sw`;
  }

  /** What a container answers to another one over HTTP, asked from the first host; empty if there is no answer. */
  fetch(service: string, target: string): string {
    const request = `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 ${target} 80 | tail -n 1`;
    return this.all[0]!.bay.run(["exec", "-T", service, "sh", "-c", request]).out.trim();
  }

  static async start(names: readonly string[]): Promise<TestHosts> {
    const hosts = new TestHosts();
    own("netns", hosts.#switch);
    run("ip", "netns", "add", hosts.#switch);
    run("ip", "-n", hosts.#switch, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0");
    run("ip", "-n", hosts.#switch, "link", "set", "br0", "up");
    for (const name of names) hosts.all.push(await hosts.#add(name));
    return hosts;
  }

  /** A host on the same segment that is not a member. */
  async addStranger(name: string): Promise<TestHost> {
    const host = await this.#add(name);
    this.#strangers.push(host);
    return host;
  }

  async #add(name: string): Promise<TestHost> {
    const number = this.#everyone.length + 1;
    const namespace = `bayt${this.#tag}-${name}`;
    const address = `10.77.0.${number}`;
    own("netns", namespace);
    run("ip", "netns", "add", namespace);
    run(
      "ip",
      "-n",
      this.#switch,
      "link",
      "add",
      `p${number}`,
      "type",
      "veth",
      "peer",
      "name",
      "eth0",
      "netns",
      namespace,
    );
    run("ip", "-n", this.#switch, "link", "set", `p${number}`, "master", "br0", "up");
    run("ip", "-n", namespace, "link", "set", "lo", "up");
    run("ip", "-n", namespace, "addr", "add", `${address}/24`, "dev", "eth0");
    run("ip", "-n", namespace, "-6", "addr", "add", `fd77::${number}/64`, "dev", "eth0", "nodad");
    run("ip", "-n", namespace, "link", "set", "eth0", "up");
    run("ip", "-n", namespace, "route", "add", "default", "via", "10.77.0.254");
    const host = new TestHost(name, namespace, address);
    await host.ready();
    return host;
  }

  /** The same stack file on all hosts, at the same path, with the root file system of busybox beside it. */
  write(text: string): void {
    const [first] = this.all;
    first!.bay.busybox();
    for (const { bay } of this.all) {
      bay.stackFolder = join(first!.bay.folder, "stack");
      bay.write(text);
    }
  }

  /** Makes all hosts members of one cluster, and waits until each hears the others. `address` is that of the first. */
  async join(address?: string): Promise<void> {
    const [first, ...others] = this.all;
    first!.bay.ok("host", "init", "--name", first!.name, ...(address ? ["--address", address] : []));
    for (const host of others) {
      const command = first!.bay.ok("host", "invite").trim().split(" ").slice(1);
      host.bay.ok(...command, "--name", host.name);
    }
    await this.allReady();
  }

  /** Waits until each host hears all others. */
  async allReady(): Promise<void> {
    await eventually(() => {
      for (const { bay, name } of this.all) {
        const rows = JSON.parse(bay.ok("host", "ls", "--format", "json")) as {
          name: string;
          state: string;
        }[];
        const missing = rows.filter(({ state }) => state !== "ready").map((row) => row.name);
        if (rows.length !== this.all.length || missing.length > 0)
          throw new Error(`${name} sees ${rows.length} hosts; not ready: ${missing.join(", ")}`);
      }
    });
  }

  close(): void {
    for (const host of this.#everyone) host.close();
    for (const host of this.#everyone) run("ip", "netns", "del", host.namespace);
    run("ip", "netns", "del", this.#switch);
  }
}
