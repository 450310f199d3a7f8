/** `bay container run` and the like: containers without a stack, with the options of docker run. */
import { type Command, Option } from "commander";
import { type Add, collect, refuse, whole } from "./add.ts";
import { detachKeysOption, runOptions } from "./run-options.ts";

/** Options of both run and create. */
const described = (c: Command) =>
  runOptions(c)
    .option("-i, --interactive", "keep input open")
    .option("-t, --tty", "allocate a terminal")
    .addOption(
      new Option("--pull <policy>", "when to pull the image")
        .choices(["always", "missing", "never"])
        .default("missing"),
    )
    .option("--platform <platform>", "platform of the image, such as linux/arm64")
    .option("--cidfile <file>", "write the ID of the container to a file")
    .option("--env-file <file>", "read environment variables from a file", collect)
    .option("--hostname <name>", "host name")
    .option("--domainname <name>", "domain name")
    .option("--init", "run an init process that reaps zombies and forwards signals")
    .option("-P, --publish-all", "publish all exposed ports")
    .option("--expose <port>", "expose a port", collect)
    .option("--mount <mount>", "mount as type=bind,source=…,target=…", collect)
    .option("--tmpfs <path>", "mount a tmpfs", collect)
    .option("--volumes-from <container>", "mount the volumes of a container", collect)
    .option("--network <network>", "connect to a network, or host, none, container:NAME", collect)
    .option("--network-alias <name>", "another name on the first network", collect)
    .option("--ip <address>", "IPv4 address on the first network")
    .option("--ip6 <address>", "IPv6 address on the first network")
    .option("--mac-address <address>", "MAC address on the first network")
    .option("--link <container>", "CONTAINER[:NAME], which this container can resolve", collect)
    .option("--add-host <name:address>", "add a line to /etc/hosts", collect)
    .option("--dns <address>", "name server", collect)
    .option("--dns-search <domain>", "search domain", collect)
    .option("--dns-option <option>", "option of resolv.conf", collect)
    .option("--restart <policy>", "no, always, unless-stopped or on-failure[:N]")
    .option("--stop-signal <signal>", "signal that stops the container")
    .option("--stop-timeout <seconds>", "seconds before SIGKILL", whole)
    .option("-m, --memory <size>", "memory limit")
    .option("--memory-reservation <size>", "soft memory limit")
    .option("--memory-swap <size>", "limit of memory and swap; -1 for no limit")
    .option("--cpus <number>", "number of CPUs")
    .option("--cpu-shares <number>", "relative weight", whole)
    .option("--cpuset-cpus <cpus>", "CPUs, such as 0-2")
    .option("--pids-limit <number>", "maximum number of processes; -1 for no limit")
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
    .option("--cgroupns <mode>", "host or private")
    .option("--cgroup-parent <group>", "parent control group")
    .option("--health-cmd <command>", "command that checks the health")
    .option("--health-interval <duration>", "time between checks")
    .option("--health-timeout <duration>", "longest time of a check")
    .option("--health-start-period <duration>", "time in which failures do not count")
    .option("--health-retries <number>", "failures before it is unhealthy", whole)
    .option("--no-healthcheck", "disable the health check of the image")
    .option("--log-driver <driver>", "json-file, local, syslog, journald or none")
    .option("--log-opt <name=value>", "option of the log driver", collect)
    .option("--annotation <name=value>", "annotation for the runtime", collect);

const REFUSED: readonly (readonly [flags: string, reason: string])[] = [
  ["--gpus <devices>", "bay does not support GPUs and other devices of drivers"],
  ["--storage-opt <option>", "the writable layer has no size limit"],
  ["--userns <mode>", "bay does not map users"],
  ["--runtime <name>", "bay has its own runtime"],
  ["--volume-driver <name>", "the only volume driver is local"],
  ["--blkio-weight <number>", "set blkio_config in a stack file"],
  ["--cpuset-mems <nodes>", "bay does not choose memory nodes"],
];

export function addSingleContainerCommands(container: Add): void {
  const withRefused = (c: Command) => {
    for (const [flags, reason] of REFUSED) refuse(c, flags, reason);
    return c;
  };
  container(
    "run <image> [command...]",
    "run a command in a new container of an image, without a stack",
    (c) =>
      withRefused(described(c))
        .option("-d, --detach", "run in the background, and print the ID")
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
