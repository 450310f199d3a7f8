/** Sockets of the host, as /proc/net has them. */
import { describe, expect, it } from "vitest";
import { parseSockets } from "../../../../src/daemon/stacks/taken-ports.ts";

const HEAD = "  sl  local_address rem_address   st tx_queue rx_queue\n";
const line = (local: string, state: string) => `   0: ${local} 00000000:0000 ${state} 00000000:00000000\n`;
const sockets = (local: string, state: string, protocol: "tcp" | "udp" = "tcp") =>
  parseSockets(HEAD + line(local, state), protocol);

describe("sockets of the host", () => {
  it.each([
    ["0100007F:1F90", { hostAddress: "127.0.0.1", hostPort: 8080 }],
    ["00000000:0050", { hostAddress: "0.0.0.0", hostPort: 80 }],
    ["00000000000000000000000000000000:0050", { hostAddress: "::", hostPort: 80 }],
    ["00000000000000000000000001000000:0035", { hostAddress: "::1", hostPort: 53 }],
  ])("%s", (local, expected) => {
    expect(sockets(local, "0A")).toEqual([{ ...expected, protocol: "tcp" }]);
  });

  it("count if they listen, and all UDP sockets", () => {
    expect(sockets("0100007F:1F90", "01")).toEqual([]);
    expect(sockets("0100007F:1F90", "07", "udp")).toHaveLength(1);
  });

  it("ignores text that is not a line of /proc/net", () => {
    expect(parseSockets("", "tcp")).toEqual([]);
    expect(parseSockets(`${HEAD}\nnonsense\n`, "tcp")).toEqual([]);
  });
});
