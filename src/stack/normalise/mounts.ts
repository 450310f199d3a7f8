/** Volumes, tmpfs and devices of a service: short and long forms are converted to one. */
import { existsSync } from "node:fs";
import { posix, resolve } from "node:path";
import { whyNoReference } from "../../core/image-reference.ts";
import { mountTargetProblem } from "../../core/mount-targets.ts";
import { normalPath } from "../../core/normal-path.ts";
import type { Service, ServiceMount } from "../model/stack.ts";
import type { ServiceInput } from "../schema/schema.ts";
import { type ServiceReader, strings, truth } from "./service-reader.ts";

export function readMounts(reader: ServiceReader): ServiceMount[] {
  const mounts = (reader.input.volumes ?? []).flatMap((volume, index) => {
    const mount =
      typeof volume === "string" ? shortVolume(reader, volume, index) : longVolume(reader, volume, index);
    if (!mount) return [];
    checkTarget(reader, ["volumes", index], mount.target, mount.type === "bind" ? mount.source : undefined);
    return [{ ...mount, target: normalPath(mount.target) }];
  });
  const tmpfs = strings(reader.input.tmpfs)
    .filter(Boolean)
    .map((entry): ServiceMount => {
      const [target = "", options = ""] = entry.split(/:(.*)/s);
      checkTarget(reader, ["tmpfs"], target, undefined);
      return { type: "tmpfs", target, options: options.split(",").filter(Boolean) };
    });
  return [...mounts, ...tmpfs];
}

/** The target of a mount or a device: an absolute path that is not the kernel's. */
export function checkTarget(
  reader: ServiceReader,
  place: (string | number)[],
  target: string,
  hostSource: string | undefined,
): void {
  if (!posix.isAbsolute(target))
    return reader.bad(place, `the target ${JSON.stringify(target)} is not absolute`);
  const problem = mountTargetProblem(target, hostSource);
  if (problem) reader.bad(place, `nothing can be mounted at ${target}: ${problem}`);
}

function shortVolume(reader: ServiceReader, text: string, index: number): ServiceMount | undefined {
  const parts = text.split(":");
  if (parts.length > 3 || parts.some((part) => part === "")) {
    reader.bad(["volumes", index], `invalid mount ${JSON.stringify(text)}: expected SOURCE:TARGET[:ro]`);
    return undefined;
  }
  if (parts.length === 1)
    return { type: "volume", source: "", target: parts[0]!, readOnly: false, noCopy: false };
  const [source = "", target = "", mode = ""] = parts;
  const modes = mode.split(",").filter(Boolean);
  for (const option of modes) {
    if (!MODES.includes(option) && !PROPAGATIONS.includes(option))
      reader.bad(["volumes", index], `the option ${option} is not supported`);
  }
  const selinux = modes.find((option): option is "z" | "Z" => option === "z" || option === "Z");
  const label = selinux ? labelOf(reader, selinux, source, ["volumes", index], "z and Z") : {};
  const readOnly = modes.includes("ro");
  const propagation = modes.find((option) => PROPAGATIONS.includes(option));
  if (/^[./~]/.test(source))
    return {
      type: "bind",
      source: hostPath(reader, source),
      target,
      readOnly,
      recursive: true,
      createSource: true,
      ...propagationOf(propagation),
      ...label,
    };
  if (propagation !== undefined && !propagation.endsWith("private"))
    reader.bad(["volumes", index], `${propagation} is an option of bind mounts, but ${source} is a volume`);
  return { type: "volume", source, target, readOnly, noCopy: modes.includes("nocopy"), ...label };
}

const MODES = ["ro", "rw", "nocopy", "z", "Z", "cached", "delegated", "consistent"];
const PROPAGATIONS = ["private", "rprivate", "slave", "rslave", "shared", "rshared"];

/** Binds are recursive here, so `shared` and `rshared` are equal; likewise the others. */
function propagationOf(text: string | undefined): { propagation?: "slave" | "shared" } {
  if (text?.endsWith("slave")) return { propagation: "slave" };
  return text?.endsWith("shared") ? { propagation: "shared" } : {};
}

/** Paths that the whole host needs keep their labels, as in Docker. */
const HOST_FOLDERS = /^\/(bin|boot|dev|etc|home|lib|lib64|opt|proc|root|run|sbin|srv|sys|tmp|usr|var)?\/?$/;

/** SELinux labels have no meaning if it is disabled. */
function labelOf(
  reader: ServiceReader,
  selinux: "z" | "Z",
  source: string,
  path: (string | number)[],
  part?: string,
): { selinux?: "z" | "Z" } {
  if (!existsSync("/sys/fs/selinux/enforce")) {
    reader.note(path, "SELinux is off on this host", part);
    return {};
  }
  if (HOST_FOLDERS.test(posix.normalize(source)))
    reader.bad(path, `${selinux}: ${source} belongs to the host and keeps its labels`);
  return { selinux };
}

type LongVolume = Exclude<NonNullable<ServiceInput["volumes"]>[number], string>;

function longVolume(reader: ServiceReader, volume: LongVolume, index: number): ServiceMount | undefined {
  const { type, source, target } = volume;
  if (volume.consistency !== undefined)
    reader.note(["volumes", index, "consistency"], "a mount is always consistent here");
  if (volume.volume?.labels !== undefined)
    reader.note(["volumes", index, "volume", "labels"], "set the labels of a volume under volumes:");
  const readOnly = truth(volume.read_only);
  if (type === "tmpfs") {
    if (source !== undefined) reader.bad(["volumes", index, "source"], "a tmpfs has no source");
    const size = reader.bytes(["volumes", index, "tmpfs", "size"], volume.tmpfs?.size);
    const mode = volume.tmpfs?.mode;
    return {
      type,
      target,
      options: [
        ...(size === undefined ? [] : [`size=${size}`]),
        ...(mode === undefined ? [] : [`mode=${Number(mode).toString(8)}`]),
        ...(readOnly ? ["ro"] : []),
      ],
    };
  }
  if (type === "image") return imageMount(reader, volume, index);
  if (type === "volume")
    return {
      type,
      source: source ?? "",
      target,
      readOnly,
      noCopy: truth(volume.volume?.nocopy),
      ...subpathOf(reader, volume.volume?.subpath, ["volumes", index, "volume", "subpath"]),
    };
  if (!source) {
    reader.bad(["volumes", index], "a bind mount needs a source");
    return undefined;
  }
  return {
    type,
    source: hostPath(reader, source),
    target,
    readOnly,
    recursive: volume.bind?.recursive !== "disabled",
    createSource: volume.bind?.create_host_path === undefined || truth(volume.bind.create_host_path),
    ...propagationOf(volume.bind?.propagation),
    ...(volume.bind?.selinux === undefined
      ? {}
      : labelOf(reader, volume.bind.selinux, source, ["volumes", index, "bind", "selinux"])),
  };
}

/** The files of an image are shared by all its users, so they are read-only. */
function imageMount(
  reader: ServiceReader,
  { source, target, read_only, image }: LongVolume,
  index: number,
): ServiceMount | undefined {
  const wrong = source ? whyNoReference(source) : "an image mount needs the name of an image as source";
  if (wrong) reader.bad(["volumes", index, ...(source ? ["source"] : [])], wrong);
  if (read_only !== undefined && !truth(read_only))
    reader.bad(["volumes", index, "read_only"], "an image is mounted read-only; copy it to write to it");
  if (wrong) return undefined;
  const subpath = subpathOf(reader, image?.subpath, ["volumes", index, "image", "subpath"]);
  return { type: "image", source: source!, target, readOnly: true, ...subpath };
}

function subpathOf(
  reader: ServiceReader,
  path: string | undefined,
  place: (string | number)[],
): { subpath?: string } {
  if (path === undefined || path === "" || path === ".") return {};
  if (posix.isAbsolute(path) || path.split("/").includes(".."))
    reader.bad(place, `${JSON.stringify(path)} is not a path inside the ${place[2]}`);
  return { subpath: posix.normalize(path).replace(/\/$/, "") };
}

function hostPath(reader: ServiceReader, path: string): string {
  const home = reader.context.variables("HOME") ?? "/root";
  return resolve(
    reader.context.directory,
    path === "~" || path.startsWith("~/") ? home + path.slice(1) : path,
  );
}

export function readDevices(reader: ServiceReader): Service["devices"] {
  return (reader.input.devices ?? []).flatMap((device, index) => {
    const [source = "", target = source, access = "rwm"] =
      typeof device === "string"
        ? device.split(":")
        : [device.source, device.target ?? device.source, device.permissions ?? "rwm"];
    const isAccess = /^[rwm]+$/.test(target) && !target.includes("/");
    if (!posix.isAbsolute(source)) {
      reader.bad(["devices", index], `expected /dev/NAME[:TARGET[:rwm]], got ${JSON.stringify(device)}`);
      return [];
    }
    const path = isAccess ? source : target;
    checkTarget(reader, ["devices", index], path, undefined);
    return [{ source, target: path, access: isAccess ? target : access }];
  });
}
