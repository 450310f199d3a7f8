/** Starts a container: creates everything on the host that it needs, and then its process. */
import { chownSync, existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { BayError } from "../../core/errors.ts";
import { socketPath } from "../../core/roots.ts";
import { fillVolume, type Image, kindInLayers, readImageFile, resolveInLayers } from "../../image/index.ts";
import {
  isSelinuxOn,
  type Launched,
  type LaunchRequest,
  labelTree,
  launch,
  makeFifo,
  privateLabel,
  SHARED_LABEL,
  type SpecImage,
} from "../../linux/index.ts";
import { type ImageMount, LABELS, volumesOf } from "../model/config.ts";
import type { Host } from "../model/host.ts";
import { withDefaults } from "../model/limits.ts";
import { containerDirectory, runDirectory } from "../model/paths.ts";
import type { ContainerRecord } from "../model/record.ts";
import { profileOf } from "../spec/apparmor.ts";
import { isDockerSocketGone } from "../spec/docker-socket.ts";
import { etcFilesOf, writeEtcFiles } from "../spec/etc-directory.ts";
import { limitMounts, showsLimits } from "../spec/lxcfs.ts";
import { toSpec } from "../spec/oci-spec.ts";
import { checkPropagation } from "../spec/propagation.ts";
import { onlyLimits } from "../spec/resources.ts";
import { type Account, resolveUser } from "../spec/user.ts";

export { containerDirectory, runDirectory } from "../model/paths.ts";
export const programFile = (host: Host, id: string) => join(runDirectory(host, id), "program");
export const exitFifo = (host: Host) => join(host.roots.run, "ended");
/** The directory at which each container's overlay is mounted, each in its own mount namespace. */
export const mountPoint = (host: Host) => join(host.roots.run, "rootfs");
export const logDirectory = (host: Host, id: string) => join(containerDirectory(host, id), "logs");
export const tokenOf = (id: string) => Buffer.from(id.slice(0, 16), "hex");

/** Directories that must not contain symlinks: the start refuses an image that has one there. */
const KERNEL_MOUNTS = /^\/(proc|sys|dev)(\/|$)/;

/** The directories in which the container's files are looked up from outside, the topmost first. */
export function lookupDirectories(host: Host, record: ContainerRecord, image: Image): string[] {
  return [
    join(containerDirectory(host, record.id), "upper"),
    ...image.lower.map((name) => join(image.layersDirectory, name)),
  ];
}

export function accountOf(
  host: Host,
  record: ContainerRecord,
  image: Image,
  user = record.config.user,
): Account {
  const directories = lookupDirectories(host, record, image);
  const question = JSON.stringify(["account", user, record.config.groups]);
  return ofImage(directories, question, () =>
    resolveUser(user, record.config.groups, (path) => readImageFile(directories, path)),
  );
}

const answers = new Map<string, unknown>();
const MAX_ANSWERS = 2000;

/**
 * Answers a question about a container's files. The layers of its image do not change, so the answer is cached while the
 * container has written nothing.
 */
function ofImage<T>([upper, ...lower]: readonly string[], question: string, find: () => T): T {
  if (readdirSync(upper!).length > 0) return find();
  const key = `${lower.join(":")} ${question}`;
  if (!answers.has(key)) {
    if (answers.size > MAX_ANSWERS) answers.clear();
    answers.set(key, find());
  }
  return answers.get(key) as T;
}

/** Creates what a container keeps between its runs: its writable layer, and its volumes, filled from the image. */
export async function prepareContainer(host: Host, record: ContainerRecord): Promise<void> {
  const directory = containerDirectory(host, record.id);
  for (const name of ["upper", "work"]) mkdirSync(join(directory, name), { recursive: true, mode: 0o755 });
  const image = await host.images.get(record.config.image, record.config.imageId);
  for (const mount of record.config.mounts) {
    if (
      mount.type === "bind" &&
      mount.createSource &&
      !existsSync(mount.source) &&
      !isDockerSocketGone(mount.source)
    )
      mkdirSync(mount.source, { recursive: true });
    if (mount.type === "bind") await labelMount(record, mount.source, mount.selinux);
    if (mount.type !== "volume") continue;
    host.volumes.create({
      name: mount.source,
      stack: undefined,
      key: undefined,
      anonymous: record.anonymousVolumes.includes(mount.source),
      labels: {},
    });
    // a volume with its own file system is mounted only for starts
    const isOwn = host.volumes.get(mount.source)?.config.mount !== undefined;
    if (!mount.noCopy && !isOwn && hasDirectory(image, mount.target)) {
      await host.volumes.fill(mount.source, (volume) =>
        fillVolume({
          layersDirectory: image.layersDirectory,
          lower: image.lower,
          staging: mountPoint(host),
          volume,
          path: mount.target,
        }),
      );
    }
    if (!isOwn) await labelMount(record, host.volumes.path(mount.source), mount.selinux);
  }
}

/** Only when the mount is created: files that a container writes have the label already. */
async function labelMount(
  { config }: ContainerRecord,
  path: string,
  selinux: "z" | "Z" | undefined,
): Promise<void> {
  if (selinux === undefined || !isSelinuxOn()) return;
  const owner = `${config.labels[LABELS.stack] ?? ""}/${config.labels[LABELS.service] ?? config.name}`;
  await labelTree(path, selinux === "z" ? SHARED_LABEL : privateLabel(owner));
}

/** A cheap check before a worker is started; a symlink in the path counts as a possible directory. */
function hasDirectory(image: Image, target: string): boolean {
  return image.lower.some((name) => existsSync(join(image.layersDirectory, name, target)));
}

/**
 * Starts the process. `complete` may write files into the container before its command runs. Throws the reason if the start
 * fails; the caller removes what was created.
 */
export async function startProcess(
  host: Host,
  record: ContainerRecord,
  complete?: LaunchRequest["mounted"],
): Promise<Launched> {
  const { config, id } = record;
  const image = await host.images.get(config.image, config.imageId);
  const directory = containerDirectory(host, id);
  const run = runDirectory(host, id);
  mkdirSync(run, { recursive: true, mode: 0o700 });
  const account = accountOf(host, record, image);
  checkPropagation(config);
  const namespace = networkNamespace(host, record);
  const cgroup = host.groups.of(record);
  const given = host.secretFiles.writeFor(config.files ?? [], join(run, "given"), account);
  const owner = networkOwner(host, record);
  const generated = owner ? etcFilesOf(host, owner) : writeEtcFiles(host, record);
  const etc = [...generated, ...given.map((file) => ({ ...file, readOnly: true }))];
  if (owner) record.state.joinedRun = runOf(owner);
  // a shared network has one hostname, as in Docker
  for (const name of volumesOf(config)) await host.volumes.attach(name);
  const memory = ipcOwner(host, record);
  if (memory) record.state.joinedIpcRun = runOf(memory);
  const mounted = new Map<string, Image>();
  for (const mount of config.mounts)
    if (mount.type === "image")
      mounted.set(mount.imageId, await host.images.get(mount.source, mount.imageId));
  const named = owner ? { ...config, hostname: owner.config.hostname } : config;
  const limited = { ...named, resources: withDefaults(config.resources, host.settings) };
  const limits = showsLimits(config, host.settings) ? await limitMounts(host.settings.lxcfs) : [];
  const spec = toSpec(memory?.config.ipcMode === "host" ? { ...limited, ipcMode: "host" } : limited, {
    account,
    rootfs: mountPoint(host),
    hostPath: (path) => (isDockerSocketGone(path) ? socketPath(host.roots) : path),
    volumePath: (name) => host.volumes.path(name),
    imageLayers: (mount) => layersOf(mount, mounted.get(mount.imageId)!),
    etc,
    limits,
    networkNamespace: namespace,
    pidNamespace: pidNamespace(host, record),
    ipcOwner: memory?.state.pid,
    apparmorProfile: profileOf(config),
    cgroupsPath: cgroup.path,
  });
  const directories = lookupDirectories(host, record, image);
  for (const mount of spec.mounts) {
    // The kernel follows the image's symlinks inside the container; their targets may have to be created there.
    if (!KERNEL_MOUNTS.test(mount.destination))
      mount.destination = ofImage(directories, mount.destination, () =>
        resolveInLayers(directories, mount.destination),
      );
  }
  const { resources = {} } = spec.linux;
  host.groups.makeParent(record);
  cgroup.apply(cgroup.create() ? onlyLimits(resources) : resources);
  const fifos = { stdout: join(run, "stdout"), stderr: join(run, "stderr"), stdin: join(run, "stdin") };
  if (!config.tty) {
    for (const path of [fifos.stdout, fifos.stderr, ...(config.stdinOpen ? [fifos.stdin] : [])]) {
      rmSync(path, { force: true });
      makeFifo(path, 0o600);
      chownSync(path, account.uid, account.gid);
    }
    await openLogs(host, record);
  }
  const { stdinOpen, tty } = record.config;
  if (stdinOpen && !tty) host.sessions.openInput(record.id, fifos.stdin);
  const request: LaunchRequest = {
    spec,
    name: `bay-shim ${config.name}`,
    programFile: programFile(host, id),
    overlay: {
      layersDirectory: image.layersDirectory,
      lower: image.lower,
      upper: join(directory, "upper"),
      work: join(directory, "work"),
    },
    cgroupJoinFiles: cgroup.joinFiles(),
    shimJoinFiles: host.shimJoinFiles,
    exitFifo: exitFifo(host),
    token: tokenOf(id),
    stdio: config.tty
      ? { kind: "tty" }
      : {
          kind: "fifos",
          ...fifos,
          stdin: config.stdinOpen ? fifos.stdin : undefined,
          stdinEnds: config.stdinOnce,
        },
    init: config.init && config.pidMode === "private",
    cgroupView: host.cgroups.view,
    keptSockets: host.networks.endpoints.dnsSockets(id),
    mounted: complete,
  };
  return launch(request);
}

/** Throws NO_SUBPATH. */
function layersOf({ source, target, subpath }: ImageMount, { layersDirectory, lower }: Image): SpecImage {
  const directories = lower.map((name) => join(layersDirectory, name));
  const kind = subpath === undefined ? "directory" : kindInLayers(directories, subpath);
  if (kind === "file" || kind === "directory") return { layersDirectory, lower, isFile: kind === "file" };
  throw new BayError("NO_SUBPATH", `the image ${source}, mounted at ${target}, has no ${subpath}`);
}

/** Starts to collect a container's output from its FIFOs. */
export async function openLogs(host: Host, record: ContainerRecord): Promise<void> {
  const { id, config } = record;
  const { log } = config;
  const run = runDirectory(host, id);
  await host.forwarders.begin(record);
  return host.logs.open({
    id,
    stdout: join(run, "stdout"),
    stderr: join(run, "stderr"),
    directory: log.driver === "none" ? undefined : logDirectory(host, id),
    maxSize: log.maxSize ?? host.settings.logMaxSize,
    maxFiles: log.maxFiles ?? host.settings.logMaxFiles,
  });
}

/** The file of the network namespace that the container joins; undefined for the host's. */
function networkNamespace(host: Host, record: ContainerRecord): string | undefined {
  const { networkMode } = record.config;
  if (networkMode === "host" || networkMode === "none") return undefined;
  if (networkMode.startsWith("container:")) {
    const other = host.records.findRunning(networkMode.slice("container:".length));
    if (!other) {
      throw new BayError(
        "NETWORK_OWNER",
        `${record.config.name} shares the network of ${networkMode.slice(10)}, which is not running`,
      );
    }
    // the owner has the namespace already: with bay networks, without any, or the host's
    return other.config.networkMode === "host" ? "/proc/1/ns/net" : `/proc/${other.state.pid}/ns/net`;
  }
  const file = host.networks.endpoints.setUp(record.id, record.endpoints);
  if (record.endpoints.length > 0) host.names.serve(record, { isFresh: true });
  return file;
}

/** The file of the PID namespace that the container joins; undefined for its own or the host's. Throws PID_OWNER. */
function pidNamespace(host: Host, { config }: ContainerRecord): string | undefined {
  if (!config.pidMode.startsWith("container:")) return undefined;
  const name = config.pidMode.slice("container:".length);
  const other = host.records.findRunning(name);
  if (other) return other.config.pidMode === "host" ? "/proc/1/ns/pid" : `/proc/${other.state.pid}/ns/pid`;
  throw new BayError("PID_OWNER", `${config.name} shares the processes of ${name}, which is not running`);
}

/** The container whose shared memory this one uses; undefined for its own or the host's. Throws IPC_OWNER. */
function ipcOwner(host: Host, { config }: ContainerRecord): ContainerRecord | undefined {
  if (!config.ipcMode.startsWith("container:")) return undefined;
  const name = config.ipcMode.slice("container:".length);
  const other = host.records.findRunning(name);
  if (other) return other;
  throw new BayError("IPC_OWNER", `${config.name} shares the shared memory of ${name}, which is not running`);
}

/** Identifies one run of a container: it differs after a restart. */
export function runOf({ id, state }: ContainerRecord): string {
  return `${id}:${state.pid}:${state.start}`;
}

/** The running container whose network this one uses. */
function networkOwner(host: Host, record: ContainerRecord): ContainerRecord | undefined {
  const { networkMode } = record.config;
  return networkMode.startsWith("container:")
    ? host.records.findRunning(networkMode.slice("container:".length))
    : undefined;
}
