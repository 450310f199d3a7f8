/**
 * The default seccomp profile, with the effect of Docker's: an allow list, with conditions on arguments and on the
 * container's capabilities. A check compares it with the published profile.
 */
import type { SpecSeccomp, SpecSeccompRule } from "../../linux/index.ts";

const ALWAYS =
  // files
  (
    "_llseek access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 " +
    "faccessat faccessat2 fadvise64 fadvise64_64 fallocate fchdir fchmod fchmodat fchmodat2 fchown " +
    "fchown32 fchownat fcntl fcntl64 fdatasync flock fstat fstat64 fstatat64 fstatfs fstatfs64 fsync " +
    "ftruncate ftruncate64 futimesat getcwd getdents getdents64 ioctl lchown lchown32 link linkat " +
    "listmount lseek lstat lstat64 mkdir mkdirat mknod mknodat name_to_handle_at open openat openat2 " +
    "pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv rename " +
    "renameat renameat2 rmdir sendfile sendfile64 splice stat stat64 statfs statfs64 statmount statx " +
    "symlink symlinkat sync sync_file_range syncfs tee truncate truncate64 umask unlink unlinkat utime " +
    "utimensat utimensat_time64 utimes vmsplice write writev " +
    // xattrs
    "fgetxattr flistxattr fremovexattr fsetxattr getxattr getxattrat lgetxattr listxattr listxattrat " +
    "llistxattr lremovexattr lsetxattr removexattr removexattrat setxattr setxattrat " +
    // memory
    "brk madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2 mlockall mmap " +
    "mmap2 mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect " +
    "process_mrelease remap_file_pages " +
    // sockets
    "accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg " +
    "recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socketcall socketpair " +
    // polling
    "_newselect epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait " +
    "epoll_wait_old fanotify_mark inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel " +
    "io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit poll ppoll " +
    "ppoll_time64 pselect6 pselect6_time64 select " +
    // ipc
    "eventfd eventfd2 futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake ipc " +
    "mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend " +
    "mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd pipe pipe2 semctl semget semop semtimedop " +
    "semtimedop_time64 shmat shmctl shmdt shmget " +
    // signals
    "alarm kill pause restart_syscall rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo " +
    "rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaltstack " +
    "signalfd signalfd4 sigprocmask sigreturn tgkill tkill " +
    // time
    "adjtimex clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime " +
    "clock_gettime64 clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep setitimer " +
    "time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime " +
    "timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 " +
    "times " +
    // identity
    "capget capset getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getresgid " +
    "getresgid32 getresuid getresuid32 getuid getuid32 setfsgid setfsgid32 setfsuid setfsuid32 setgid " +
    "setgid32 setgroups setgroups32 setregid setregid32 setresgid setresgid32 setresuid setresuid32 " +
    "setreuid setreuid32 setuid setuid32 " +
    // processes and the rest
    "cachestat execve execveat exit exit_group fork get_robust_list get_thread_area getcpu getpgid " +
    "getpgrp getpid getppid getpriority getrandom getrlimit getrusage getsid gettid ioprio_get ioprio_set " +
    "landlock_add_rule landlock_create_ruleset landlock_restrict_self newfstatat pidfd_open " +
    "pidfd_send_signal prctl prlimit64 riscv_hwprobe rseq sched_get_priority_max sched_get_priority_min " +
    "sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval " +
    "sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler " +
    "sched_yield seccomp set_robust_list set_thread_area set_tid_address setpgid setpriority setrlimit " +
    "setsid sysinfo ugetrlimit uname uretprobe vfork wait4 waitid waitpid "
  ).trim();

/** clone(2) flags that make namespaces; without CAP_SYS_ADMIN they must all be absent. */
const NAMESPACE_FLAGS = 0x7e020000;

const allow = (names: string, args?: SpecSeccompRule["args"]): SpecSeccompRule => ({
  names: names.split(/\s+/),
  action: "SCMP_ACT_ALLOW",
  ...(args ? { args } : {}),
});
const when = (index: number, op: string, value: number) => [{ index, op: `SCMP_CMP_${op}`, value }];

/** System calls that a capability allows. */
const BY_CAPABILITY: [capability: string, names: string][] = [
  ["CAP_DAC_READ_SEARCH", "open_by_handle_at"],
  [
    "CAP_SYS_ADMIN",
    "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr " +
      "lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount " +
      "open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare",
  ],
  ["CAP_SYS_BOOT", "reboot"],
  ["CAP_SYS_CHROOT", "chroot"],
  ["CAP_SYS_MODULE", "delete_module init_module finit_module"],
  ["CAP_SYS_PACCT", "acct"],
  ["CAP_SYS_PTRACE", "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace"],
  ["CAP_SYS_RAWIO", "iopl ioperm"],
  ["CAP_SYS_TIME", "settimeofday stime clock_settime clock_settime64"],
  ["CAP_SYS_TTY_CONFIG", "vhangup"],
  ["CAP_SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"],
  ["CAP_SYSLOG", "syslog"],
  ["CAP_BPF", "bpf"],
  ["CAP_PERFMON", "perf_event_open"],
];

const profiles = new Map<string, SpecSeccomp>();

/** The profile for a container with these capabilities, on this machine's architecture. It is cached: do not change it. */
export function defaultSeccomp(capabilities: readonly string[]): SpecSeccomp {
  const key = capabilities.join(" ");
  let profile = profiles.get(key);
  if (!profile) {
    profile = makeProfile(capabilities);
    if (profiles.size > 64) profiles.clear();
    profiles.set(key, profile);
  }
  return profile;
}

function makeProfile(capabilities: readonly string[]): SpecSeccomp {
  const has = (capability: string) => capabilities.includes(capability);
  const isArm = process.arch === "arm64";
  const syscalls: SpecSeccompRule[] = [
    allow(ALWAYS),
    allow("process_vm_readv process_vm_writev ptrace"), // safe since Linux 4.8
    allow("socket", when(0, "LT", 38)), // all families except AF_ALG
    allow("socket", when(0, "EQ", 39)),
    allow("socket", when(0, "GT", 40)), // and except AF_VSOCK
    ...[0, 8, 0x20000, 0x20008, 0xffffffff].map((persona) => allow("personality", when(0, "EQ", persona))),
    isArm
      ? allow("arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls")
      : allow("arch_prctl modify_ldt"),
    ...BY_CAPABILITY.filter(([capability]) => has(capability)).map(([, names]) => allow(names)),
  ];
  if (!has("CAP_SYS_ADMIN")) {
    syscalls.push(
      allow("clone", [{ index: 0, op: "SCMP_CMP_MASKED_EQ", value: NAMESPACE_FLAGS, valueTwo: 0 }]),
      // its flags are behind a pointer; ENOSYS makes libc use clone instead
      { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: 38 },
    );
  }
  return {
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: 1,
    architectures: isArm
      ? ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]
      : ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    syscalls,
  };
}
