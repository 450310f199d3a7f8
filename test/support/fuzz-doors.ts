/**
 * Every listener of one bayd, as targets of the fuzz: its own socket, a TCP port with client certificates, the port for other
 * hosts, and that for webhooks; those with TLS also to clients without a certificate, and to what is not TLS at all.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { IdentityFile } from "../../src/host/identity/identity-files.ts";
import type { Bay } from "./bay.ts";
import { Certificates } from "./certificates.ts";
import type { FuzzTarget, Random } from "./http-fuzz.ts";
import { freePort } from "./sshd.ts";

/** The first message of a TLS client. */
const clientHello = (): Promise<Buffer> =>
  new Promise((resolve) => {
    const wire = new Duplex({ read() {}, write: (bytes: Buffer) => resolve(bytes) });
    connectTls({ socket: wire, rejectUnauthorized: false }).on("error", () => {});
  });

/** Each connection comes from another address, so that limits of one address do not keep the requests out. */
const anywhere = (random: Random) => ({
  host: "127.0.0.1",
  localAddress: `127.${1 + random.below(250)}.${random.below(250)}.${1 + random.below(250)}`,
});

export class FuzzDoors {
  readonly #pki = new Certificates();
  #targets: Record<string, FuzzTarget> = {};

  constructor(
    readonly bay: Bay,
    readonly container: string,
  ) {}

  /** Writes the settings; before bayd starts. */
  async prepare(): Promise<{ tlsPort: number }> {
    const config = join(this.bay.folder, "config");
    mkdirSync(config);
    this.bay.env.BAY_CONFIG = config;
    this.#pki.authority("ca");
    const server = this.#pki.leaf("server", "ca", { names: "IP:127.0.0.1", usage: "serverAuth" });
    const tlsPort = await freePort();
    const settings = {
      hosts: [`tcp://127.0.0.1:${tlsPort}`],
      tlsverify: true,
      tlscacert: join(this.#pki.folder, "ca.pem"),
      tlscert: server.certFile,
      tlskey: server.keyFile,
    };
    writeFileSync(join(config, "daemon.json"), JSON.stringify(settings));
    return { tlsPort };
  }

  /** Opens the other listeners; while bayd runs. */
  async open({ tlsPort }: { tlsPort: number }): Promise<Record<string, FuzzTarget>> {
    const { bay, container } = this;
    const peerPort = await freePort();
    bay.ok("host", "init", "--name", "fuzz", "--address", "127.0.0.1", "--port", String(peerPort));
    const hooks = JSON.parse(bay.ok("gitops", "listen", "127.0.0.1:0", "--metrics", "--format", "json")) as {
      port: number;
    };
    const { key, cert } = this.#pki.leaf("client", "ca", { usage: "clientAuth" });
    const identity = new IdentityFile(bay.env.BAY_ROOT!).read()!;
    const member = { key: identity.key, cert: identity.certificate };
    const greetings = [await clientHello()];
    const withTls = (port: number, certificate: { key?: string; cert?: string }): FuzzTarget => ({
      container,
      open: (random) => connectTls({ port, ...anywhere(random), ...certificate, rejectUnauthorized: false }),
    });
    const plain = (port: number): FuzzTarget => ({
      container,
      open: (random) => connect({ port, ...anywhere(random) }),
    });
    this.#targets = {
      "the socket": { container, open: () => connect(bay.socket) },
      "a TCP port, with a certificate": withTls(tlsPort, { key, cert }),
      "a TCP port, without a certificate": withTls(tlsPort, {}),
      "a TCP port, without TLS": { ...plain(tlsPort), greetings },
      "the port for other hosts, as a member": withTls(peerPort, member),
      "the port for other hosts, as a stranger": withTls(peerPort, {}),
      "the port for other hosts, without TLS": { ...plain(peerPort), greetings },
      "the port for webhooks": plain(hooks.port),
    };
    return this.#targets;
  }

  close(): void {
    this.#pki.remove();
  }
}
