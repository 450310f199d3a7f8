/** What an image of Debian packages is made of, and the arguments of mmdebstrap(1) for it. */

export interface AptPackages {
  suite: string;
  components: string[];
  packages: string[];
  /** Undefined is mmdebstrap's choice: Debian's own, with the suite's updates and security updates. */
  mirror: string | undefined;
  /** A moment of the archive, as snapshot.debian.org names it: 20260101T000000Z. */
  snapshot: string | undefined;
  /** What is otherwise left out, because a container has no use for it. */
  keep: ("docs" | "man" | "locales" | "lists")[];
}

const SNAPSHOTS = "http://snapshot.debian.org/archive/debian";

const LEFT_OUT: Record<"docs" | "man" | "locales", string[]> = {
  docs: [
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/info/*",
  ],
  man: ["path-exclude=/usr/share/man/*"],
  locales: ["path-exclude=/usr/share/locale/*"],
};

/** Variables of the environment that the hooks read: paths and names are never part of a command's text. */
export const BASE_VARIABLE = "BAY_APT_BASE";
export const CACHE_VARIABLE = "BAY_APT_CACHE";
export const PACKAGES_VARIABLE = "BAY_APT_PACKAGES";

// hard links: the cache is on the disk on which mmdebstrap works; where it is not, packages are downloaded again
const ARCHIVES = '"$1/var/cache/apt/archives"';
const TAKE_PACKAGES = `mkdir -p ${ARCHIVES}; find "$${CACHE_VARIABLE}" -name "*.deb" -exec ln -ft ${ARCHIVES} {} + || true`;
const KEEP_PACKAGES = `find ${ARCHIVES} -maxdepth 1 -name "*.deb" -exec cp -lnt "$${CACHE_VARIABLE}" {} + || true`;
const UNPACK_BASE = `tar -C "$1" -xf "$${BASE_VARIABLE}" --xattrs --xattrs-include="*" --exclude="./dev/*"`;
/** apt of the host, working on the new root, with its progress on standard error (apt's progress-reporting.md). */
const APT = [
  "APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get --yes -oAPT::Status-Fd=2 -oDpkg::Use-Pty=false",
  "-oDir::Bin::dpkg=env -oDPkg::Options::=--unset=TMPDIR -oDPkg::Options::=dpkg",
  '-oDPkg::Chroot-Directory="$1"',
].join(" ");

function commonArguments({ components, snapshot, keep }: AptPackages): string[] {
  const left = (["docs", "man", "locales"] as const).filter((what) => !keep.includes(what));
  return [
    "--mode=root",
    "--format=tar",
    `--components=${components.join(",")}`,
    ...left.flatMap((what) => LEFT_OUT[what].map((option) => `--dpkgopt=${option}`)),
    ...(snapshot ? ["--aptopt=Acquire::Check-Valid-Until false"] : []),
    `--setup-hook=${TAKE_PACKAGES}`,
  ];
}

function lastArguments({ suite, mirror, snapshot }: AptPackages, target: string): string[] {
  return [
    `--customize-hook=${KEEP_PACKAGES}`,
    // who a container is, is not the image's to say
    "--customize-hook=rm -f $1/etc/hostname $1/etc/resolv.conf",
    suite,
    target,
    ...(snapshot ? [`${SNAPSHOTS}/${snapshot}`] : mirror ? [mirror] : []),
  ];
}

/** mmdebstrap's arguments for a base as a tar: the essential packages, from which all images of one suite are made. */
export function baseArguments(wanted: AptPackages, target: string): string[] {
  const kept = ["--skip=download/empty", "--skip=essential/unlink"];
  return [...commonArguments(wanted), "--variant=essential", ...kept, ...lastArguments(wanted, target)];
}

/**
 * mmdebstrap's arguments for an image as a tar: the base, brought up to date, with the packages. The result is byte for
 * byte what making it without a base gives.
 */
export function imageArguments(wanted: AptPackages, target: string): string[] {
  return [
    ...commonArguments(wanted),
    "--variant=custom",
    ...(wanted.keep.includes("lists") ? ["--skip=cleanup/apt/lists"] : []),
    `--setup-hook=${UNPACK_BASE}`,
    `--customize-hook=${APT} dist-upgrade`,
    `--customize-hook=set -f; ${APT} install $${PACKAGES_VARIABLE}`,
    ...lastArguments(wanted, target),
  ];
}
