/**
 * A command in a file system that is made for it alone: a step of a build. It is isolated like a container and has no record:
 * it ends with bayd, and what a killed bayd leaves of it is removed at the next start.
 */

import { randomBytes } from "node:crypto";
import { fchownSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { BayError } from "../../core/errors.ts";
import { NO_LIMITS, type ResourceLimits } from "../../core/resource-limits.ts";
import { SIGNALS } from "../../core/signals.ts";
import { readImageFile, resolveInLayers } from "../../image/index.ts";
import {
  close,
  createPipe,
  isAlive,
  type Launched,
  launch,
  type OverlayRoot,
  type Spec,
  type SpecMount,
  signalProcess,
} from "../../linux/index.ts";
import { DNS_ADDRESS } from "../../network/index.ts";
import type { ContainerConfig } from "../model/config.ts";
import type { Host } from "../model/host.ts";
import { withDefaults } from "../model/limits.ts";
import { containerDirectory, runDirectory } from "../model/paths.ts";
import { keepEtcFiles } from "../spec/etc-directory.ts";
import { hostsFile, resolvFile, searchDomains } from "../spec/etc-files.ts";
import { toSpec } from "../spec/oci-spec.ts";
import { onlyLimits } from "../spec/resources.ts";
import { resolveUser } from "../spec/user.ts";
import { endProcesses } from "./end-processes.ts";
import { exitCodeAtEnd } from "./exit-status.ts";
import { exitFifo, mountPoint } from "./start.ts";
import type { TaskNetwork } from "./task-networks.ts";

export interface TaskConfig {
  /** Shown in its process list. */
  name: string;
  args: string[];
  env: string[];
  workdir: string;
  user: string;
  /** The file system: `upper` receives what the command writes. */
  overlay: OverlayRoot;
  /** Binds of host directories and files, and tmpfs, in the order in which they are mounted. */
  mounts: SpecMount[];
  network: "bridge" | "host" | "none";
  extraHosts: string[];
  hostname: string;
  shmSize: number;
  ulimits: ContainerConfig["ulimits"];
  /** Run with the privileges of a privileged container. */
  insecure: boolean;
  onOutput: (stream: 1 | 2, bytes: Buffer) => void;
  signal?: AbortSignal | undefined;
}

/** The state of a task while it runs, for address allocation and announced ends. */
export class Task {
  readonly id = randomBytes(32).toString("hex");
  #launched: Launched | undefined;
  #hasEnded: () => void = () => {};

  constructor(
    readonly host: Host,
    readonly config: TaskConfig,
    /** Its connection to the outside; it belongs to the caller. */
    readonly network: TaskNetwork | undefined,
  ) {}

  get #directory(): string {
    return runDirectory(this.host, this.id);
  }

  /**
   * On the disk, as a container's: the command may write to these files. After a kill, it is found by its name and removed.
   */
  get #etcDirectory(): string {
    return join(containerDirectory(this.host, this.id), "etc");
  }

  /** Runs until it ends and returns the exit code. Throws START_FAILED, UNKNOWN_USER, ABORTED. */
  async run(): Promise<number> {
    const { host, config } = this;
    const cgroup = host.cgroups.group(this.id.slice(0, 16));
    const ended = new Promise<void>((resolve) => {
      this.#hasEnded = resolve;
    });
    const abort = () => cgroup.exists() && cgroup.kill();
    config.signal?.addEventListener("abort", abort);
    const watch = setInterval(
      () => this.#launched && !isAlive(this.#launched.pid, this.#launched.start) && this.ended(),
      500,
    );
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    try {
      const spec = this.#spec(cgroup.path);
      const { resources = {} } = spec.linux;
      cgroup.apply(cgroup.create() ? onlyLimits(resources) : resources);
      if (config.signal?.aborted) throw new BayError("ABORTED", "the build was interrupted");
      // not earlier: they would stay open if a step before this one failed
      const pipes = [createPipe("read"), createPipe("read")] as const;
      const drained = pipes.map((pipe, index) => this.#read(pipe.read, (index + 1) as 1 | 2));
      try {
        for (const pipe of pipes) fchownSync(pipe.write, spec.process.user.uid, spec.process.user.gid);
        this.#launched = await launch({
          spec,
          name: `bay-shim ${config.name}`,
          programFile: join(this.#directory, "program"),
          overlay: config.overlay,
          cgroupJoinFiles: cgroup.joinFiles(),
          shimJoinFiles: host.shimJoinFiles,
          exitFifo: exitFifo(host),
          token: Buffer.from(this.id.slice(0, 16), "hex"),
          stdio: { kind: "fds", stdin: null, stdout: pipes[0].write, stderr: pipes[1].write },
          init: false,
          cgroupView: host.cgroups.view,
        });
      } finally {
        for (const pipe of pipes) close(pipe.write);
      }
      await ended;
      // processes that it left running hold its output and its files
      cgroup.kill();
      await Promise.all(drained);
      if (config.signal?.aborted) throw new BayError("ABORTED", "the build was interrupted");
      return await exitCodeAtEnd(join(this.#directory, "program"), this.#launched);
    } finally {
      clearInterval(watch);
      config.signal?.removeEventListener("abort", abort);
      if (cgroup.exists()) cgroup.kill();
      if (this.#launched) signalProcess(this.#launched.shimPid, this.#launched.shimStart, SIGNALS.SIGKILL);
      rmSync(this.#directory, { recursive: true, force: true });
      rmSync(containerDirectory(host, this.id), { recursive: true, force: true });
      void endProcesses(cgroup); // the cgroup is empty a moment after its last process
    }
  }

  /** Called when its shim announces the end, or has disappeared. */
  ended(): void {
    this.#hasEnded();
  }

  #read(fd: number, stream: 1 | 2): Promise<void> {
    return new Promise((resolve) => {
      const socket = new Socket({ fd, readable: true, writable: false });
      socket.on("data", (bytes: Buffer) => this.config.onOutput(stream, bytes));
      socket.on("error", () => {});
      socket.on("close", () => resolve());
    });
  }

  #spec(cgroupsPath: string): Spec {
    const { host, config } = this;
    const { layersDirectory, lower, upper } = config.overlay;
    const directories = [upper, ...lower.map((name) => join(layersDirectory, name))];
    const account = resolveUser(config.user, [], (path) => readImageFile(directories, path));
    const spec = toSpec(asContainer(config, withDefaults(NO_LIMITS, host.settings)), {
      account,
      rootfs: mountPoint(host),
      hostPath: (path) => path,
      volumePath: () => "",
      etc: this.#etcFiles(),
      networkNamespace: this.network?.namespace,
      cgroupsPath,
    });
    const mounts = config.mounts.map((mount) => ({
      ...mount,
      destination: resolveInLayers(directories, mount.destination),
    }));
    return { ...spec, mounts: [...spec.mounts, ...mounts] };
  }

  #etcFiles(): { target: string; file: string }[] {
    const { config, host } = this;
    const endpoint = this.network?.endpoint;
    const gateway = endpoint ? host.networks.get(endpoint.network)!.gateway : "127.0.0.1";
    const files = {
      hosts: hostsFile({
        hostname: config.hostname,
        domainname: "",
        addresses: endpoint ? [endpoint.address] : [],
        extraHosts: config.extraHosts,
        hostGateway: gateway,
      }),
      hostname: `${config.hostname}\n`,
      "resolv.conf": resolvFile({
        servers: endpoint ? [DNS_ADDRESS] : host.networks.nameServers(),
        search: searchDomains(readFileSync("/etc/resolv.conf", "utf8")),
        options: [],
      }),
    };
    return keepEtcFiles(this.#etcDirectory, files);
  }
}

function asContainer(config: TaskConfig, resources: ResourceLimits): ContainerConfig {
  return {
    name: config.name,
    image: "",
    imageId: "",
    args: config.args,
    env: config.env,
    workdir: config.workdir,
    user: config.user,
    groups: [],
    hostname: config.hostname,
    domainname: "",
    mounts: [],
    ports: [],
    exposed: [],
    networkMode: config.network,
    networks: [],
    dns: [],
    dnsSearch: [],
    dnsOptions: [],
    extraHosts: config.extraHosts,
    health: undefined,
    restart: { policy: "no", maxRetries: 0 },
    stopSignal: "",
    stopGraceMs: 0,
    init: false,
    readOnly: false,
    capAdd: [],
    capDrop: [],
    privileged: config.insecure,
    noNewPrivileges: false,
    seccomp: "default",
    devices: [],
    ulimits: config.ulimits,
    sysctls: {},
    shmSize: config.shmSize,
    pidMode: "private",
    ipcMode: "private",
    oomScoreAdj: 0,
    labels: {},
    annotations: {},
    resources,
    tty: false,
    stdinOpen: false,
    stdinOnce: false,
    log: { driver: "none", maxSize: undefined, maxFiles: undefined },
  };
}
