/**
 * Overlay networks on bridges of Open vSwitch, as an administrator sets them up with ovs-vsctl(8): a port of type gre or vxlan for
 * each other host, and the containers' links as ports. All of them are compared in one pass outside of the event loop's way:
 * ovs-vsctl is a program, and its daemon may be busy.
 */
import { existsSync } from "node:fs";
import { hasCode } from "../../core/errors.ts";
import { isSwitched, type NetworkRecord } from "../model/network.ts";
import { JoinedPasses } from "../overlay/joined-passes.ts";
import { changesOf, OWNER, type SwitchState, wantedState } from "../overlay/switch-ports.ts";
import type { UnderlayHost } from "../overlay/underlay.ts";
import { ensureBridge, withLinks } from "./bridge.ts";
import type { OverlayDriver } from "./overlay-driver.ts";
import { parseTables, vsctl } from "./ovs-vsctl.ts";

/** `OpenVSwitches` does the work for all networks together. */
const shared = { ensure: () => false, sync: () => 0, remove: () => {} };
// Ethernet 14, IP 20 or 40, GRE 4 with a key of 4; VXLAN as in vxlan.ts
export const ovsGre: OverlayDriver = { ...shared, overhead: { 4: 42, 6: 62 } };
export const ovsVxlan: OverlayDriver = { ...shared, overhead: { 4: 50, 6: 70 } };

export interface SwitchHost {
  tag: string;
  networks(): readonly NetworkRecord[];
  peers(): readonly UnderlayHost[];
  /** The host's ends of all containers' links on a network, whether they exist or not. */
  links(network: string): readonly string[];
  warn(text: string): void;
}

export class OpenVSwitches {
  /** Each makes bridges and ports equal to the records. Rejects with NO_OPEN_VSWITCH, OPEN_VSWITCH. */
  readonly passes: JoinedPasses;

  constructor(readonly host: SwitchHost) {
    this.passes = new JoinedPasses(() => this.#pass(), host.warn);
  }

  async #pass(): Promise<number> {
    const { tag, networks, peers, links } = this.host;
    const switched = networks().filter(isSwitched);
    const known = await this.#known(switched.length === 0);
    if (!known) return 0;
    const present = new Set(withLinks((all) => all.list()).map(({ name }) => name));
    const wanted = wantedState(tag, switched, peers(), ({ config }) =>
      links(config.name).filter((name) => present.has(name)),
    );
    const changes = changesOf(wanted, known, datapath());
    if (changes.length > 0) await vsctl(changes);
    withLinks((all) => {
      const list = all.list();
      for (const network of switched)
        if (this.host.networks().includes(network)) ensureBridge(network, all, list);
    });
    return changes.length;
  }

  /** What of Open vSwitch belongs to this bay; undefined if it is not installed and nothing needs it. */
  async #known(isUnused: boolean): Promise<SwitchState | undefined> {
    try {
      return readState(
        await vsctl([
          ["--columns=name,external_ids,ports", "list", "Bridge"],
          ["--columns=_uuid,name,protected,external_ids,interfaces", "list", "Port"],
          ["--columns=_uuid,type,options", "list", "Interface"],
        ]),
        this.host.tag,
      );
    } catch (error) {
      if (isUnused && hasCode(error, "NO_OPEN_VSWITCH", "OPEN_VSWITCH")) return undefined;
      throw error;
    }
  }
}

/** The kernel's module where it is loaded, and the datapath in user space elsewhere. */
const datapath = () => (existsSync("/sys/module/openvswitch") ? "system" : "netdev");

/** The bridges and ports with this bay's mark. */
export function readState(output: string, tag: string): SwitchState {
  const [bridges = [], ports = [], interfaces = []] = parseTables(output);
  const bridgeOf = new Map(
    bridges.flatMap((row) => row.list("ports").map((port) => [port, row.text("name")] as const)),
  );
  const interfaceOf = new Map(interfaces.map((row) => [row.text("_uuid"), row]));
  const isOwn = (ids: Record<string, string>) => ids[OWNER] === tag;
  return {
    bridges: bridges
      .map((row) => ({ name: row.text("name"), ids: row.map("external_ids"), mac: "", mtu: undefined }))
      .filter(({ ids }) => isOwn(ids)),
    ports: ports
      .map((row) => {
        const [first] = row.list("interfaces");
        const own = first === undefined ? undefined : interfaceOf.get(first);
        return {
          name: row.text("name"),
          bridge: bridgeOf.get(row.text("_uuid")) ?? "",
          isProtected: row.text("protected") === "true",
          type: own?.text("type") ?? "",
          options: own?.map("options") ?? {},
          ids: row.map("external_ids"),
        };
      })
      .filter(({ ids }) => isOwn(ids)),
  };
}
