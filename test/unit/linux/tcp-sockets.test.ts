import { expect, it } from "vitest";
import { parseTcpSockets } from "../../../src/linux/tcp-sockets.ts";

const ROWS = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 020012AC:0050 010012AC:D431 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0 20 4 30 10 -1
   2: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 06 0 0 0 0 0 0 0
`;

it("parses the table of sockets: ports and states, for IPv4 and IPv6", () => {
  expect(parseTcpSockets(ROWS)).toEqual([
    { localPort: 80, state: "listening" },
    { localPort: 80, state: "connected" },
    { localPort: 8080, state: "other" },
  ]);
  expect(parseTcpSockets("")).toEqual([]);
});
