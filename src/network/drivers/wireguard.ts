/**
 * The WireGuard link of encrypted overlay networks: the kernel's where it has one, else wireguard-go's on /dev/net/tun. wg(8) sets up
 * both. It works outside of the event loop's way, because the tools are programs.
 */
import { execFile } from "node:child_process";
import { rmSync } from "node:fs";
import { BayError, hasCode, messageOf } from "../../core/errors.ts";
import type { Links } from "../../linux/index.ts";
import { replaceFile } from "../../store/index.ts";
import { isEncrypted, type NetworkRecord } from "../model/network.ts";
import { configText, equalsDump, innerAddress, wantedPeers, wireguardLink } from "../overlay/encryption.ts";
import { JoinedPasses } from "../overlay/joined-passes.ts";
import type { TunnelKey } from "../overlay/tunnel-key.ts";
import type { Underlay } from "../overlay/underlay.ts";
import { withLinks } from "./bridge.ts";

const TIMEOUT_MS = 10_000;

export interface WireGuardHost {
  tag: string;
  networks(): readonly NetworkRecord[];
  underlay(): Underlay | undefined;
  /** The MTU of the link with this host's address, and the overhead of its IP version. */
  mtu(): number;
  key(): TunnelKey;
  /** For the configuration, while wg(8) reads it. */
  file: string;
  warn(text: string): void;
}

export class WireGuard {
  /** Each makes the link and its peers equal to the members. Rejects with NO_WIREGUARD, WIREGUARD. */
  readonly passes: JoinedPasses;

  constructor(readonly host: WireGuardHost) {
    this.passes = new JoinedPasses(() => this.#pass(), host.warn);
  }

  async #pass(): Promise<number> {
    const underlay = this.host.underlay();
    const name = wireguardLink(this.host.tag);
    const isNeeded = underlay !== undefined && this.host.networks().some(isEncrypted);
    const isThere = withLinks((links) => links.byName(name)) !== undefined;
    if (!isNeeded) {
      if (isThere) withLinks((links) => links.remove(links.byName(name)?.index ?? 0));
      return isThere ? 1 : 0;
    }
    if (!isThere) await addLink(name);
    const peers = wantedPeers(underlay.peers());
    const { secret, told } = this.host.key();
    const isRight = equalsDump(await run("wg", ["show", name, "dump"]), told, peers);
    if (!isRight) await this.#configure(name, configText(secret, peers));
    const isUp = withLinks((links) => this.#setUp(links, name, innerAddress(underlay.self)));
    return Number(!isThere) + Number(!isRight) + Number(!isUp);
  }

  /** wg(8) reads files, and cannot open the socket that a child has as its standard input. */
  async #configure(name: string, text: string): Promise<void> {
    const { file } = this.host;
    replaceFile(file, text, 0o600);
    try {
      await run("wg", ["syncconf", name, file]);
    } finally {
      rmSync(file, { force: true });
    }
  }

  /** Returns whether nothing was missing. */
  #setUp(links: Links, name: string, address: string): boolean {
    const link = links.byName(name);
    if (!link) return false;
    const mtu = this.host.mtu();
    const hasAddress = links
      .addresses()
      .some((entry) => entry.linkIndex === link.index && entry.address === address);
    if (link.isUp && link.mtu === mtu && hasAddress) return true;
    links.setMtu(link.index, mtu);
    links.setUp(link.index);
    links.addAddress(link.index, address, 64);
    return false;
  }
}

async function addLink(name: string): Promise<void> {
  try {
    withLinks((links) => links.addPlain(name, "wireguard"));
  } catch (error) {
    if (!hasCode(error, "EOPNOTSUPP", "ENOTSUP")) throw error;
    // it ends with its link
    await run("wireguard-go", [name]);
  }
}

/** Throws NO_WIREGUARD, WIREGUARD. */
function run(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { timeout: TIMEOUT_MS, maxBuffer: 8 << 20, encoding: "utf8" } as const;
    execFile(program, args, options, (error, out, err) => {
      if (!error) return resolve(out);
      reject(
        hasCode(error, "ENOENT")
          ? missing(program)
          : new BayError("WIREGUARD", `${program} failed: ${err.trim() || messageOf(error)}`, {
              cause: error,
            }),
      );
    });
  });
}

const missing = (program: string) =>
  new BayError("NO_WIREGUARD", `encrypted networks need WireGuard: ${program} does not exist`, {
    hint: `apt-get install ${program === "wg" ? "wireguard-tools" : "wireguard-go, or use a kernel with the module wireguard"}`,
  });
