/** Numbers of the kernel's interface, from its uapi headers and the man pages (syscalls(2)). */

const X64 = {
  lseek: 8,
  syncfs: 306,
  read: 0,
  write: 1,
  close: 3,
  dup3: 292,
  ioctl: 16,
  sched_yield: 24,
  mmap: 9,
  kill: 62,
  fcntl: 72,
  chdir: 80,
  mkdirat: 258,
  fchdir: 81,
  umask: 95,
  setsid: 112,
  setgroups: 116,
  setresuid: 117,
  setresgid: 119,
  capset: 126,
  personality: 135,
  setpriority: 141,
  prctl: 157,
  pivot_root: 155,
  mount: 165,
  umount2: 166,
  sethostname: 170,
  setdomainname: 171,
  chroot: 161,
  clock_gettime: 228,
  exit_group: 231,
  openat: 257,
  mknodat: 259,
  fchownat: 260,
  symlinkat: 266,
  fchmodat: 268,
  unshare: 272,
  splice: 275,
  wait4: 61,
  execve: 59,
  setns: 308,
  prlimit64: 302,
  rt_sigprocmask: 14,
  seccomp: 317,
  memfd_create: 319,
  keyctl: 250,
  eventfd2: 290,
  signalfd4: 289,
  pipe2: 293,
  readv: 19,
  nanosleep: 35,
  poll: 7,
  socket: 41,
  bind: 49,
  connect: 42,
  sendto: 44,
  recvfrom: 45,
  setsockopt: 54,
  getsockopt: 55,
  getsockname: 51,
  listen: 50,
  getpid: 39,
  fstatfs: 138,
  statx: 332,
  futex: 202,
  getcwd: 79,
  pread64: 17,
  mremap: 25,
  munmap: 11,
  fchown: 93,
  ioprio_set: 251,
  sched_setscheduler: 144,
  flock: 73,
  bpf: 321,
  readlinkat: 267,
  clone: 56,
} as const;

const ARM64: { [Name in keyof typeof X64]: number } = {
  lseek: 62,
  syncfs: 267,
  read: 63,
  write: 64,
  close: 57,
  dup3: 24,
  ioctl: 29,
  sched_yield: 124,
  mmap: 222,
  kill: 129,
  fcntl: 25,
  chdir: 49,
  mkdirat: 34,
  fchdir: 50,
  umask: 166,
  setsid: 157,
  setgroups: 159,
  setresuid: 147,
  setresgid: 149,
  capset: 91,
  personality: 92,
  setpriority: 140,
  prctl: 167,
  pivot_root: 41,
  mount: 40,
  umount2: 39,
  sethostname: 161,
  setdomainname: 162,
  chroot: 51,
  clock_gettime: 113,
  exit_group: 94,
  openat: 56,
  mknodat: 33,
  fchownat: 54,
  symlinkat: 36,
  fchmodat: 53,
  unshare: 97,
  splice: 76,
  wait4: 260,
  execve: 221,
  setns: 268,
  prlimit64: 261,
  rt_sigprocmask: 135,
  seccomp: 277,
  memfd_create: 279,
  keyctl: 219,
  eventfd2: 19,
  signalfd4: 74,
  pipe2: 59,
  readv: 65,
  nanosleep: 101,
  poll: -1,
  socket: 198,
  bind: 200,
  connect: 203,
  sendto: 206,
  recvfrom: 207,
  setsockopt: 208,
  getsockopt: 209,
  getsockname: 204,
  listen: 201,
  getpid: 172,
  fstatfs: 44,
  statx: 291,
  futex: 98,
  getcwd: 17,
  pread64: 67,
  mremap: 216,
  munmap: 215,
  fchown: 55,
  ioprio_set: 30,
  sched_setscheduler: 119,
  flock: 32,
  bpf: 280,
  readlinkat: 78,
  clone: 220,
};

/** System calls since Linux 5.0 have the same number on every architecture. */
const COMMON = {
  open_tree: 428,
  move_mount: 429,
  fsopen: 430,
  fsconfig: 431,
  fsmount: 432,
  pidfd_send_signal: 424,
  pidfd_open: 434,
  clone3: 435,
  close_range: 436,
  openat2: 437,
  pidfd_getfd: 438,
  mount_setattr: 442,
} as const;

export const SYS = { ...(process.arch === "arm64" ? ARM64 : X64), ...COMMON };
export type SyscallName = keyof typeof SYS;

export const AT_FDCWD = -100;
export const AT_EMPTY_PATH = 0x1000;
export const AT_RECURSIVE = 0x8000;
export const AT_SYMLINK_NOFOLLOW = 0x100;

export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_CREAT = 0o100;
export const O_NOCTTY = 0o400;
export const O_NONBLOCK = 0o4000;
export const O_CLOEXEC = 0o2000000;
export const O_DIRECTORY = process.arch === "arm64" ? 0o40000 : 0o200000;
export const O_NOFOLLOW = process.arch === "arm64" ? 0o100000 : 0o400000;
export const O_PATH = 0o10000000;

export const S_IFREG = 0o100000;
export const S_IFCHR = 0o020000;
export const S_IFBLK = 0o060000;

export const CLONE_NEWNS = 0x00020000;
export const CLONE_NEWCGROUP = 0x02000000;
export const CLONE_NEWUTS = 0x04000000;
export const CLONE_NEWIPC = 0x08000000;
export const CLONE_NEWUSER = 0x10000000;
export const CLONE_NEWPID = 0x20000000;
export const CLONE_NEWNET = 0x40000000;
export const CLONE_FS = 0x200;
export const CLONE_PIDFD = 0x1000;
export const CLONE_PARENT_SETTID = 0x100000;

export const MS_RDONLY = 1;
export const MS_NOSUID = 2;
export const MS_NODEV = 4;
export const MS_REMOUNT = 32;
export const MS_BIND = 4096;
export const MS_REC = 16384;
export const MS_PRIVATE = 1 << 18;
export const MS_SLAVE = 1 << 19;
export const MNT_DETACH = 2;

export const OPEN_TREE_CLONE = 1;
export const OPEN_TREE_CLOEXEC = O_CLOEXEC;
export const MOVE_MOUNT_F_EMPTY_PATH = 0x4;
export const MOVE_MOUNT_T_SYMLINKS = 0x10;
export const MOVE_MOUNT_T_EMPTY_PATH = 0x40;
export const FSOPEN_CLOEXEC = 1;
export const FSMOUNT_CLOEXEC = 1;
export const FSCONFIG_SET_FLAG = 0;
export const FSCONFIG_SET_STRING = 1;
export const FSCONFIG_CMD_CREATE = 6;

export const MOUNT_ATTR_RDONLY = 1;
export const MOUNT_ATTR_NOSUID = 2;
export const MOUNT_ATTR_NODEV = 4;
export const MOUNT_ATTR_NOEXEC = 8;

export const PROT_READ = 1;
export const PROT_WRITE = 2;
/** MAP_PRIVATE, MAP_FIXED and MAP_ANONYMOUS (mmap(2)). */
export const MAP_ANONYMOUS_HERE = 0x02 | 0x10 | 0x20;

export const RLIMITS: Record<string, number> = {
  cpu: 0,
  fsize: 1,
  data: 2,
  stack: 3,
  core: 4,
  rss: 5,
  nproc: 6,
  nofile: 7,
  memlock: 8,
  as: 9,
  locks: 10,
  sigpending: 11,
  msgqueue: 12,
  nice: 13,
  rtprio: 14,
  rttime: 15,
};
