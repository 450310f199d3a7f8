/** The transport for an address. Those of other hosts are loaded when they are needed. */
import type { HostAddress } from "../../core/host-address.ts";
import type { ClientTls } from "./tcp.ts";
import type { Transport } from "./transport.ts";
import { UnixTransport } from "./unix.ts";

/** `tls` counts for TCP alone. Throws TLS_REQUIRED. */
export async function openTransport(address: HostAddress, tls: ClientTls | undefined): Promise<Transport> {
  if (address.kind === "unix") return new UnixTransport(address.path, false);
  if (address.kind === "tcp") return new (await import("./tcp.ts")).TcpTransport(address, tls);
  return new (await import("./ssh.ts")).SshTransport(address);
}
