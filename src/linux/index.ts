/** The door of the room that touches the kernel. It knows nothing of containers, images or stacks. */
export { O_NONBLOCK, O_RDONLY, O_RDWR, signalNumber, SIGNALS, CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUTS } from "./abi.ts";
export { CAPABILITIES, DEFAULT_CAPABILITIES, resolveCapabilities } from "./capabilities.ts";
export { type Cgroup, type CgroupManager, type CgroupStats, cgroupManager } from "./cgroup/index.ts";
export { launch, type Launched, launchExec, StartError } from "./launch/run.ts";
export type { ExecRequest, LaunchRequest, OverlayRoot, Stdio } from "./launch/request.ts";
export { bindMount, confineTo, enterRootOf, getXattrs, makeNode, mountOverlay, mountTmpfs, privateMounts, setXattr, unmount } from "./confine.ts";
export { makedev } from "./launch/mounts.ts";
export { close, syscall, SyscallError, trySyscall } from "./libc.ts";
export { type Link, Links } from "./netlink/links.ts";
export { createNamespace, inNamespace, isNamespace, removeNamespace } from "./netns.ts";
export { nft } from "./nftables.ts";
export { createPipe, makeFifo, type Pipe, setNonblocking, setPipeSize } from "./pipe.ts";
export { resizePty, takePtyMaster } from "./pty.ts";
export { childrenOf, decodeStatus, isAlive, openProcess, signalProcess, startTime } from "./process.ts";
export { HEADER, type ProgramState, readProgramState } from "./program.ts";
export { kindInRoot, openInRoot, readInRoot } from "./safe-path.ts";
export { bindSocket } from "./socket.ts";
export type * from "./spec.ts";
