/** Network namespaces and their links in memory: the part of linux/'s door that the network room uses. */
import { mkdirSync, readlinkSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Link, Links } from "../../src/linux/index.ts";

type LinkCalls = Pick<
  Links,
  | "close"
  | "list"
  | "byName"
  | "addBridge"
  | "addVeth"
  | "setUp"
  | "setMaster"
  | "remove"
  | "addAddress"
  | "addresses"
  | "addDefaultRoute"
  | "addLinkRoute"
  | "addGatewayRoute"
  | "setHairpin"
  | "setIsolated"
  | "routes"
>;

interface FakeLink extends Link {
  isHairpin?: boolean;
  isIsolated?: boolean;
  /** The other end of a veth pair. */
  peer?: { space: Space; index: number };
}

interface Space {
  links: Map<number, FakeLink>;
  addresses: ReturnType<Links["addresses"]>;
  defaults: string[];
  routes: ReturnType<Links["routes"]>;
  next: number;
}

const newSpace = (): Space => ({ links: new Map(), addresses: [], defaults: [], routes: [], next: 1 });
const failure = (code: string) => Object.assign(new Error(code), { code });
const remove = ({ links, addresses }: Space, index: number) => {
  links.delete(index);
  for (let at = addresses.length; at-- > 0; ) if (addresses[at]!.linkIndex === index) addresses.splice(at, 1);
};

export class FakeNetworkHost {
  readonly #spaces = new Map<string, Space>([["", newSpace()]]);
  #current = "";

  /** `files`: the directory for the kernel's files of the host's links, if the code under test uses them. */
  constructor(readonly files?: string) {}

  /** A file of the kernel below /proc/sys/net or /sys. */
  setFile(path: string, text: string): void {
    if (this.files === undefined) return;
    mkdirSync(join(this.files, path, ".."), { recursive: true });
    writeFileSync(join(this.files, path), text);
  }

  /** The routes of the host. */
  set hostRoutes(routes: ReturnType<Links["routes"]>) {
    this.#spaces.get("")!.routes = routes;
  }

  /** What a test asks of a link of the host, or of a namespace. */
  link(name: string, file = ""): FakeLink | undefined {
    return [...this.#spaces.get(file)!.links.values()].find((link) => link.name === name);
  }

  /** What `vi.doMock` puts in the place of linux/'s exports. */
  get door() {
    const host = this;
    return {
      Links: class {
        constructor() {
          // biome-ignore lint/correctness/noConstructorReturn: the class is that of this host
          return host.links() as unknown as object;
        }
      },
      createNamespace: (file: string) => {
        writeFileSync(file, "");
        this.#spaces.set(realpathSync(file), newSpace());
        this.inNamespace(
          file,
          () => this.links(),
          (space) => this.#add(space, "lo", undefined),
        );
      },
      isNamespace: (file: string) => this.#spaces.has(file),
      removeNamespace: (file: string) => {
        const space = this.#spaces.get(file);
        for (const { peer } of space?.links.values() ?? []) if (peer) remove(peer.space, peer.index);
        this.#spaces.delete(file);
        rmSync(file, { force: true });
      },
      inNamespace: <T>(file: string, action: () => T): T => this.inNamespace(file, action),
    };
  }

  inNamespace<T>(file: string, action: () => T, before: (space: Space) => void = () => {}): T {
    const outer = this.#current;
    this.#current = realpathSync(file);
    try {
      before(this.#spaces.get(this.#current)!);
      return action();
    } finally {
      this.#current = outer;
    }
  }

  defaultRoutes(file: string): string[] {
    return this.#spaces.get(file)!.defaults;
  }

  #add(space: Space, name: string, kind: string | undefined, rest: Partial<FakeLink> = {}): FakeLink {
    if ([...space.links.values()].some((link) => link.name === name)) throw failure("EEXIST");
    const index = space.next++;
    const link = { index, name, kind, master: undefined, mtu: 1500, isUp: false, mac: "", ...rest };
    space.links.set(index, link);
    for (const key of ["forwarding", "route_localnet"])
      this.setFile(`/proc/sys/net/ipv4/conf/${name}/${key}`, "0\n");
    for (const [key, value] of Object.entries({ accept_ra: "1", disable_ipv6: "0", forwarding: "0" }))
      this.setFile(`/proc/sys/net/ipv6/conf/${name}/${key}`, `${value}\n`);
    return link;
  }

  /** The links of the current namespace; a handle stays in it. */
  links(): LinkCalls {
    const space = this.#spaces.get(this.#current)!;
    const require = (index: number) => {
      const link = space.links.get(index);
      if (!link) throw failure("ENODEV");
      return link;
    };
    const show = ({ peer: _, isHairpin: _h, isIsolated: _i, ...link }: FakeLink): Link => link;
    return {
      close: () => {},
      list: () => [...space.links.values()].map(show),
      byName: (name) => [...space.links.values()].filter((link) => link.name === name).map(show)[0],
      addBridge: (name, mtu) => void this.#add(space, name, "bridge", mtu ? { mtu } : {}),
      addVeth: ({ name, master, peerName, peerNamespaceFd, peerMac, mtu }) => {
        const inside = this.#spaces.get(readlinkSync(`/proc/self/fd/${peerNamespaceFd}`))!;
        const size = mtu ? { mtu } : {};
        const own = this.#add(space, name, "veth", { master: master || undefined, isUp: true, ...size });
        const peer = this.#add(inside, peerName, "veth", { mac: peerMac, ...size });
        own.peer = { space: inside, index: peer.index };
        peer.peer = { space, index: own.index };
      },
      setUp: (index) => void Object.assign(require(index), { isUp: true }),
      setMaster: (index, master) => void Object.assign(require(index), { master }),
      setHairpin: (index) => void Object.assign(require(index), { isHairpin: true }),
      setIsolated: (index) => void Object.assign(require(index), { isIsolated: true }),
      addLinkRoute: (index, destination, prefix) =>
        void (require(index) && space.routes.push({ destination, prefix })),
      addGatewayRoute: (destination, prefix) => void space.routes.push({ destination, prefix }),
      routes: () => [...space.routes],
      remove: (index) => {
        const peer = space.links.get(index)?.peer;
        remove(space, index);
        if (peer) remove(peer.space, peer.index);
      },
      addAddress: (index, address, prefix) => {
        require(index);
        const known = space.addresses.some((each) => each.linkIndex === index && each.address === address);
        if (!known) space.addresses.push({ linkIndex: index, address, prefix } as never);
      },
      addresses: () => [...space.addresses],
      addDefaultRoute: (gateway) => void space.defaults.splice(0, space.defaults.length, gateway),
    };
  }
}
