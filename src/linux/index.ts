/** The interface to the kernel. It does not know containers, images or stacks. */
export {
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWUTS,
  O_NONBLOCK,
  O_RDONLY,
} from "./abi.ts";
export { appArmorParser, isAppArmorOn, loadedProfiles, loadProfile } from "./apparmor.ts";
export { resolveCapabilities } from "./capabilities.ts";
export {
  type Cgroup,
  type CgroupManager,
  cgroupManager,
  type ProcessGroup,
  removeGroup,
  removeLastGroup,
} from "./cgroup/index.ts";
export {
  bindMount,
  confineTo,
  enterRootOf,
  getXattrs,
  inPrivateMounts,
  makeNode,
  mountOverlay,
  mountTmpfs,
  openTree,
  privateMounts,
  putTree,
  setTimes,
  setXattr,
  ThreadRoot,
  unmount,
  within,
  withoutProc,
} from "./confine.ts";
export { dataRanges, syncFileSystem } from "./data-ranges.ts";
export { type FileState, stateOf } from "./file-state.ts";
export { makedev } from "./launch/devices.ts";
export { isKeeperAlive, keptProcess, startKeeper, stopKeeper, takeLastEnd } from "./launch/keeper.ts";
export { takeKeptSockets } from "./launch/kept-sockets.ts";
export { identifyProcesses, processOfProgram } from "./launch/program-process.ts";
export type { LaunchRequest, OverlayRoot } from "./launch/request.ts";
export { type Launched, launch, launchExec, StartError } from "./launch/run.ts";
export { type SocketKeeper, startSocketKeeper, takeSockets } from "./launch/socket-keeper.ts";
export { addressOf, close, loadLibrary } from "./libc.ts";
export { tryLock } from "./lock.ts";
export { trimHeap } from "./malloc.ts";
export { type MountEntry, mountTable } from "./mount-table.ts";
export { type Link, Links } from "./netlink/links.ts";
export type { NextHop, Route, RouteOwner } from "./netlink/routes.ts";
export { setTransmitChecksum } from "./netlink/transmit-checksum.ts";
export type { NeighbourEntry, TunnelEntry } from "./netlink/vxlan.ts";
export { createNamespace, inNamespace, isNamespace, removeNamespace } from "./netns.ts";
export { nft } from "./nftables.ts";
export { createPipe, makeFifo, type Pipe, setNonblocking, setPipeSize } from "./pipe.ts";
export { decodeStatus, hardLimit, isAlive, openProcess, signalProcess, startTime } from "./process.ts";
export { type ProgramState, readProgramState } from "./program-state.ts";
export { resizePty, takePtyMaster } from "./pty.ts";
export { type Remount, remount } from "./remount.ts";
export { openInRoot, type PathKind, pathKindInRoot, readInRoot } from "./safe-path.ts";
export { isSelinuxOn, labelTree, privateLabel, SHARED_LABEL } from "./selinux.ts";
export { bindSocket, hungUp } from "./socket.ts";
export type * from "./spec.ts";
export { listeningPorts, tcpSockets } from "./tcp-sockets.ts";
export { rawMode, setTerminalMode, terminalMode } from "./terminal-mode.ts";
export { listenForDatagrams, UnixDatagram } from "./unix-datagram.ts";
