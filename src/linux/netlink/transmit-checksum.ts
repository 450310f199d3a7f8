/** Checksum offloading of a link when it sends (ethtool(8), -K LINK tx on|off), by ioctl(2) SIOCETHTOOL. */
import { addressOf, close, syscall } from "../libc.ts";

const SIOCETHTOOL = 0x8946;
const ETHTOOL_STXCSUM = 0x17;
const AF_INET = 2;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const NAME_SIZE = 16;

/** Throws `SyscallError`. */
export function setTransmitChecksum(link: string, isOn: boolean): void {
  const value = Buffer.alloc(8); // struct ethtool_value
  value.writeUInt32LE(ETHTOOL_STXCSUM, 0);
  value.writeUInt32LE(isOn ? 1 : 0, 4);
  const request = Buffer.alloc(40); // struct ifreq
  request.write(link, 0, NAME_SIZE - 1, "latin1");
  request.writeBigUInt64LE(addressOf(value), NAME_SIZE);
  const socket = syscall("socket", [AF_INET, SOCK_DGRAM_CLOEXEC, 0]);
  try {
    syscall("ioctl", [socket, SIOCETHTOOL, request], `${link}: transmit checksum`);
  } finally {
    close(socket);
  }
}
