/** `bay container run` and the like: containers without a stack, with the options of docker run. */
import { type Command, Option } from "commander";
import { type Add, collect, refuse, whole } from "./add.ts";
import { detachKeysOption, runOptions } from "./run-options.ts";

/** Options of both run and create. */
const described = (c: Command) =>
  withMore(
    runOptions(c)
      .helpOption("--help", "display help for command")
      .option("-i, --interactive", "keep input open")
      .option("-t, --tty", "allocate a terminal")
      .addOption(
        new Option("--pull <policy>", "when to pull the image")
          .choices(["always", "missing", "never"])
          .default("missing"),
      )
      .option("-q, --quiet", "hide the progress of a pull")
      .option("-h, --hostname <name>", "host name")
      .option("-P, --publish-all", "publish all exposed ports"),
  );

/** The options that `bay run` has not for services. */
const withMore = (c: Command) =>
  c
    .option("--platform <platform>", "platform of the image, such as linux/arm64")
    .option("--cidfile <file>", "write the ID of the container to a file")
    .option("--env-file <file>", "read environment variables from a file", collect)
    .option("--label-file <file>", "read labels from a file", collect)
    .option("--domainname <name>", "domain name")
    .option("--init", "run an init process that reaps zombies and forwards signals")
    .option("--expose <port>", "expose a port", collect)
    .option("--mount <mount>", "mount as type=bind,source=…,target=…", collect)
    .option("--tmpfs <path>", "mount a tmpfs", collect)
    .option("--volumes-from <container>", "mount the volumes of a container", collect)
    .option("--volume-driver <name>", "driver of new volumes; local is the only one")
    .option("--network <network>", "connect to a network, or host, none, container:NAME", collect)
    .addOption(hidden("--net <network>"))
    .option("--network-alias <name>", "another name on the first network", collect)
    .addOption(hidden("--net-alias <name>"))
    .option("--ip <address>", "IPv4 address on the first network")
    .option("--ip6 <address>", "IPv6 address on the first network")
    .option("--mac-address <address>", "MAC address on the first network")
    .option("--link <container>", "CONTAINER[:NAME], which this container can resolve", collect)
    .option("--add-host <name:address>", "add a line to /etc/hosts", collect)
    .option("--dns <address>", "name server", collect)
    .option("--dns-search <domain>", "search domain", collect)
    .option("--dns-option <option>", "option of resolv.conf", collect)
    .addOption(hidden("--dns-opt <option>"))
    .option("--restart <policy>", "no, always, unless-stopped or on-failure[:N]")
    .option("--stop-signal <signal>", "signal that stops the container")
    .option("--stop-timeout <seconds>", "seconds before SIGKILL", whole)
    .option("-m, --memory <size>", "memory limit")
    .option("--memory-reservation <size>", "soft memory limit")
    .option("--memory-swap <size>", "limit of memory and swap; -1 for no limit")
    .option("--memory-swappiness <number>", "preference for swapping, 0 to 100")
    .option("--oom-kill-disable", "do not kill its processes when memory is short")
    .option("--cpus <number>", "number of CPUs")
    .option("--cpu-period <microseconds>", "period of --cpu-quota", whole)
    .option("--cpu-quota <microseconds>", "CPU time in each period", whole)
    .option("-c, --cpu-shares <number>", "relative weight", whole)
    .option("--cpuset-cpus <cpus>", "CPUs, such as 0-2")
    .option("--pids-limit <number>", "maximum number of processes; -1 for no limit")
    .option("--blkio-weight <number>", "weight of block I/O, 10 to 1000", whole)
    .option("--blkio-weight-device <device:weight>", "weight of a block device", collect)
    .option("--device-read-bps <device:rate>", "most bytes per second that are read from a device", collect)
    .option("--device-write-bps <device:rate>", "most bytes per second that are written to a device", collect)
    .option("--device-read-iops <device:rate>", "most reads per second of a device", collect)
    .option("--device-write-iops <device:rate>", "most writes per second of a device", collect)
    .option("--shm-size <size>", "size of /dev/shm")
    .option("--ulimit <limit>", "NAME=SOFT[:HARD]", collect)
    .option("--sysctl <name=value>", "kernel setting", collect)
    .option("--oom-score-adj <number>", "preference of the OOM killer, -1000 to 1000")
    .option("--security-opt <option>", "no-new-privileges, seccomp=FILE, apparmor=PROFILE", collect)
    .option("--privileged", "all capabilities and devices")
    .option("--read-only", "mount the root file system read-only")
    .option("--device <device>", "device of the host", collect)
    .option("--device-cgroup-rule <rule>", "rule such as c 1:3 rwm", collect)
    .option("--group-add <group>", "additional group", collect)
    .option("--pid <mode>", "host or container:NAME")
    .option("--ipc <mode>", "host, private, shareable or container:NAME")
    .option("--uts <mode>", "host")
    .option("--userns <mode>", "host")
    .option("--runtime <name>", "runtime; bay is the only one")
    .option("--cgroupns <mode>", "host or private")
    .option("--cgroup-parent <group>", "parent control group")
    .option("--health-cmd <command>", "command that checks the health")
    .option("--health-interval <duration>", "time between checks")
    .option("--health-timeout <duration>", "longest time of a check")
    .option("--health-start-period <duration>", "time in which failures do not count")
    .option("--health-start-interval <duration>", "time between checks in the start period")
    .option("--health-retries <number>", "failures before it is unhealthy", whole)
    .option("--no-healthcheck", "disable the health check of the image")
    .option("--log-driver <driver>", "json-file, local, syslog, journald or none")
    .option("--log-opt <name=value>", "option of the log driver", collect)
    .option("--annotation <name=value>", "annotation for the runtime", collect)
    .addOption(new Option("--disable-content-trust [on]", "bay never uses it").hideHelp());

/** Docker's other name of an option. */
function hidden(flags: string): Option {
  return new Option(flags).argParser(collect).hideHelp();
}

const ONLY_WINDOWS = "it exists only on Windows";

const REFUSED: readonly (readonly [flags: string, reason: string])[] = [
  ["--gpus <devices>", "bay does not support GPUs and other devices of drivers"],
  ["--storage-opt <option>", "the writable layer has no size limit"],
  ["--cpuset-mems <nodes>", "bay does not choose memory nodes"],
  ["--cpu-rt-period <microseconds>", "bay does not schedule in real time"],
  ["--cpu-rt-runtime <microseconds>", "bay does not schedule in real time"],
  ["--kernel-memory <size>", "the kernel has no such limit any more"],
  ["--link-local-ip <address>", "bay does not set link-local addresses"],
  ["--isolation <name>", ONLY_WINDOWS],
  ["--cpu-count <number>", ONLY_WINDOWS],
  ["--cpu-percent <number>", ONLY_WINDOWS],
  ["--io-maxbandwidth <size>", ONLY_WINDOWS],
  ["--io-maxiops <number>", ONLY_WINDOWS],
];

const withRefused = (c: Command) => {
  for (const [flags, reason] of REFUSED) refuse(c, flags, reason);
  return c;
};

/** Adds the options of `bay container run` to `bay run`, which has those of services; its help does not list them. */
export function addImageOptions(c: Command): Command {
  const before = new Set(c.options);
  withRefused(withMore(c));
  for (const option of c.options) if (!before.has(option)) option.hideHelp();
  return c;
}

export function addSingleContainerCommands(container: Add): void {
  container(
    "run <image> [command...]",
    "run a command in a new container of an image, without a stack",
    (c) =>
      withRefused(described(c))
        .option("-d, --detach", "run in the background, and print the ID")
        .option("-a, --attach <stream>", "attach only stdin, stdout or stderr; can be repeated", collect)
        .addOption(
          new Option("--sig-proxy [on]", "forward signals to the container: true or false")
            .choices(["true", "false"])
            .default("true"),
        )
        .option(...detachKeysOption),
    async () => (await import("../commands/containers/run-container.ts")).runContainer,
  );
  container(
    "create <image> [command...]",
    "create a container of an image, without a stack",
    (c) => withRefused(described(c)),
    async () => (await import("../commands/containers/run-container.ts")).createContainer,
  );
  container(
    "rename <container> <name>",
    "rename a container",
    (c) => c,
    async () => (await import("../commands/containers/run-container.ts")).renameContainer,
  );
}
