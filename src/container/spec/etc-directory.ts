/**
 * The generated files of a container on the host: /etc/hosts, /etc/hostname and /etc/resolv.conf. A container may write to
 * them, as in Docker. They are beside its writable layer on the disk and not on /run, which all containers share, so that
 * what a container writes to them uses the same disk as its own layer.
 */
import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { BayError, hasCode } from "../../core/errors.ts";
import { addressesOf, DNS_ADDRESS } from "../../network/index.ts";
import type { Host } from "../model/host.ts";
import { containerDirectory, runDirectory } from "../model/paths.ts";
import type { ContainerRecord } from "../model/record.ts";
import { hostsFile, resolvFile, searchDomains } from "./etc-files.ts";

/** A generated file: its path in the container, and its path on the host. */
export interface EtcFile {
  target: string;
  file: string;
}

/** File contents by their name below /etc. */
export type EtcTexts = Readonly<Record<string, string>>;

/** Generated texts have a few kilobytes; a larger file was written by the container and is not read. */
const MAX_COMPARED = 1 << 20;
const OPEN = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Writes the files of a container that starts. Throws FILE_BUSY and system errors (ENOSPC). */
export function writeEtcFiles(host: Host, record: ContainerRecord): EtcFile[] {
  rmSync(earlierHosts(host, record), { force: true });
  return keepEtcFiles(join(containerDirectory(host, record.id), "etc"), etcTexts(host, record));
}

/** The files of a running container, for another one that shares its network. */
export function etcFilesOf(host: Host, record: ContainerRecord): EtcFile[] {
  const directory = etcDirectory(host, record);
  return NAMES.map((name) => ({ target: `/etc/${name}`, file: join(directory, name) }));
}

/**
 * Updates the files of a running container after a change of its networks. They are changed in place, because they are
 * mounted in the container. Throws FILE_BUSY and system errors.
 */
export function updateEtcFiles(host: Host, record: ContainerRecord): void {
  keepEtcFiles(etcDirectory(host, record), etcTexts(host, record));
}

/** A container that an earlier version of bay started has its files on /run until it ends. */
function etcDirectory(host: Host, record: ContainerRecord): string {
  const earlier = earlierHosts(host, record);
  return existsSync(earlier) ? dirname(earlier) : join(containerDirectory(host, record.id), "etc");
}

const earlierHosts = (host: Host, { id }: ContainerRecord) => join(runDirectory(host, id), "hosts");

/** Writes the files of a directory, owned by bayd's user, which is root, and readable for all users. */
export function keepEtcFiles(directory: string, texts: EtcTexts): EtcFile[] {
  mkdirSync(directory, { recursive: true, mode: 0o711 });
  return Object.entries(texts).map(([name, text]) => {
    const file = join(directory, name);
    keepFile(file, Buffer.from(text), `/etc/${name}`);
    return { target: `/etc/${name}`, file };
  });
}

/**
 * Does not write a file whose content is right already: creating and truncating files is slow on a disk. The container chose
 * the content, the owner and the mode of the existing file, and it may hold a lease (fcntl(2), F_SETLEASE), for which a plain
 * open would block the whole of bayd for 45 s.
 */
function keepFile(file: string, bytes: Buffer, target: string): void {
  const fd = openOwn(file, target);
  try {
    const { size, mode, uid, gid } = fstatSync(fd);
    if ((mode & 0o7777) !== 0o644) fchmodSync(fd, 0o644);
    const [bayd, group] = [process.geteuid!(), process.getegid!()];
    if (uid !== bayd || gid !== group) fchownSync(fd, bayd, group);
    if (size === bytes.length && size <= MAX_COMPARED && readFileSync(fd).equals(bytes)) return;
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at, at);
    if (size > bytes.length) ftruncateSync(fd, bytes.length);
  } finally {
    closeSync(fd);
  }
}

function openOwn(file: string, target: string): number {
  try {
    return openSync(file, OPEN, 0o644);
  } catch (cause) {
    if (!hasCode(cause, "EAGAIN", "EWOULDBLOCK")) throw cause;
    throw new BayError("FILE_BUSY", `a process of the container holds a lease on its ${target}`, {
      hint: "the kernel breaks the lease within a minute; run the command again after that",
      cause,
    });
  }
}

const NAMES = ["hosts", "hostname", "resolv.conf"] as const;
/** Where the generated files are in a container. */
export const ETC_PATHS: readonly string[] = NAMES.map((name) => `/etc/${name}`);

function etcTexts(host: Host, { config, endpoints }: ContainerRecord): EtcTexts {
  const { network: defaults } = host.settings;
  const options = config.dnsOptions.length > 0 ? config.dnsOptions : defaults.dnsOptions;
  const isBridged = endpoints.length > 0;
  const gateway = isBridged ? host.networks.get(endpoints[0]!.network)?.gateway : undefined;
  return {
    hosts: hostsFile({
      hostname: config.hostname,
      domainname: config.domainname,
      addresses: endpoints.flatMap(addressesOf),
      extraHosts: config.extraHosts,
      hostGateway: gateway ?? "127.0.0.1",
    }),
    hostname: `${config.hostname}\n`,
    "resolv.conf": resolvFile({
      servers: isBridged ? [DNS_ADDRESS] : config.dns.length > 0 ? config.dns : host.networks.nameServers(),
      search:
        config.dnsSearch.length > 0
          ? config.dnsSearch
          : defaults.dnsSearch.length > 0
            ? defaults.dnsSearch
            : searchDomains(readFileSync("/etc/resolv.conf", "utf8")),
      options:
        isBridged && !options.some((option) => option.startsWith("ndots"))
          ? ["ndots:0", ...options]
          : options,
    }),
  };
}
