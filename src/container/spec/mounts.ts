/** The mounts of a container: those of every container, generated files, and its own, parents first. */
import { lstatSync } from "node:fs";
import { normalPath } from "../../core/normal-path.ts";
import type { SpecImage, SpecMount } from "../../linux/index.ts";
import type { ContainerConfig, ImageMount } from "../model/config.ts";
import { deviceAt, mayMake } from "./devices.ts";
import { type LimitMount, withoutOwn } from "./lxcfs.ts";

/** What mounts need beside the config: paths of the host. */
export interface MountSources {
  /** Maps the source path of a bind to the path that is mounted. */
  hostPath: (path: string) => string;
  /** Host directories of the volumes, by name. */
  volumePath: (name: string) => string;
  /** Files that bay generated, by their path in the container. */
  etc: { target: string; file: string; readOnly?: boolean }[];
  /** Files and directories of /proc and /sys that show the limits of the container (lxcfs.ts). */
  limits?: LimitMount[];
  /** Returns the layers of a mounted image; absent if no image is mounted. */
  imageLayers?: (mount: ImageMount) => SpecImage;
  /** The PID of the first process of the container whose shared memory this one uses. */
  ipcOwner?: number | undefined;
}

/** Throws NO_DEVICE. */
export function allMounts(config: ContainerConfig, parts: MountSources): SpecMount[] {
  const kernel = ["nosuid", "noexec", "nodev"];
  const access = config.privileged ? "rw" : "ro";
  const isHostIpc = config.ipcMode === "host";
  const standard: SpecMount[] = [
    { destination: "/proc", type: "proc", options: kernel },
    { destination: "/dev", type: "tmpfs", options: ["nosuid", "mode=755", "size=65536k"] },
    {
      destination: "/dev/pts",
      type: "devpts",
      options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    },
    { destination: "/sys", type: "sysfs", options: [...kernel, access] },
    { destination: "/sys/fs/cgroup", type: "cgroup", options: [...kernel, access] },
    isHostIpc
      ? { destination: "/dev/mqueue", type: "bind", source: "/dev/mqueue", options: ["bind"] }
      : { destination: "/dev/mqueue", type: "mqueue", options: kernel },
    isHostIpc
      ? { destination: "/dev/shm", type: "bind", source: "/dev/shm", options: ["bind"] }
      : parts.ipcOwner
        ? {
            destination: "/dev/shm",
            type: "bind",
            source: "dev/shm",
            mountNamespace: `/proc/${parts.ipcOwner}/ns/mnt`,
            options: ["bind"],
          }
        : {
            destination: "/dev/shm",
            type: "tmpfs",
            options: [...kernel, "mode=1777", `size=${config.shmSize}`],
          },
  ];
  const bound = config.privileged ? [] : config.devices.filter((device) => !mayMake(device));
  const own = [
    ...config.mounts.map((mount) => oneMount(mount, parts)),
    ...bound.map(({ source, target }) => boundDevice(source, target)),
  ];
  const targets = new Set(own.map(({ destination }) => destination));
  const etc: SpecMount[] = parts.etc
    .filter(({ target }) => !targets.has(target))
    .map(({ target, file, readOnly }) => ({
      destination: target,
      type: "bind",
      source: file,
      options: ["bind", ...(config.readOnly || readOnly ? ["ro"] : [])],
    }));
  const limits = withoutOwn(parts.limits ?? [], config.mounts).map(
    ({ target, source, kind }): SpecMount => ({
      destination: target,
      type: "bind",
      source,
      kind,
      options: ["bind", "ro"],
    }),
  );
  const depth = (mount: SpecMount) => mount.destination.split("/").length;
  // as in Docker, a mount at /dev replaces the default /dev/pts, /dev/shm and /dev/mqueue
  const isCovered = ({ destination }: SpecMount) => targets.has("/dev") && destination.startsWith("/dev/");
  const usable = standard
    .filter((mount) => !targets.has(mount.destination) && !isCovered(mount))
    .filter((mount) => !(isHostIpc && mount.type === "bind" && !exists(mount.source!)));
  // what belongs into a mount of the container comes after it
  const isBelowOwn = ({ destination }: SpecMount) =>
    [...targets].some((target) => destination.startsWith(`${target}/`));
  const below = usable.filter(isBelowOwn);
  const first = usable.filter((mount) => !isBelowOwn(mount));
  return [...first, ...limits, ...[...below, ...etc, ...own].sort((a, b) => depth(a) - depth(b))];
}

function boundDevice(source: string, target: string): SpecMount {
  deviceAt(source, target); // throws if it is not a device
  return { destination: target, type: "bind", source, options: ["bind"] };
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function oneMount(mount: ContainerConfig["mounts"][number], parts: MountSources): SpecMount {
  const destination = normalPath(mount.target);
  if (mount.type === "tmpfs")
    return {
      destination,
      type: "tmpfs",
      options: ["nosuid", "nodev", "noexec", ...mount.options].filter(isEffective),
    };
  if (mount.type === "image")
    return {
      destination,
      type: "image",
      ...(parts.imageLayers ? { image: parts.imageLayers(mount) } : {}),
      ...(mount.subpath ? { subpath: mount.subpath } : {}),
      options: ["ro"],
    };
  const source = mount.type === "bind" ? parts.hostPath(mount.source) : parts.volumePath(mount.source);
  const bind = mount.type === "bind" && mount.recursive ? "rbind" : "bind";
  const propagation = mount.type === "bind" && mount.propagation ? [`r${mount.propagation}`] : [];
  const options = [bind, ...(mount.readOnly ? ["ro"] : []), ...propagation];
  const subpath = mount.type === "volume" && mount.subpath ? { subpath: mount.subpath } : {};
  return { destination, type: "bind", source, ...subpath, options };
}

/** A later `exec` cancels a `noexec`. */
function isEffective(option: string, _index: number, options: string[]): boolean {
  const undone: Record<string, string> = { noexec: "exec", nosuid: "suid", nodev: "dev" };
  return (
    !(option in undone && options.includes(undone[option]!)) && !["exec", "suid", "dev"].includes(option)
  );
}
