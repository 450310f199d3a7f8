/** The definition of an image of Debian packages, and the arguments of mmdebstrap(1) for it. */
import type { AptPackages } from "../../../core/apt-packages.ts";

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

/** Environment variables for the hooks: paths and names are never part of a command's text. */
export interface HookVariables {
  /** The tar of the base. */
  BAY_APT_BASE: string;
  /** Packages of earlier images, by file name. They are only read. */
  BAY_APT_CACHE: string;
  /** An empty directory on the same file system, for the packages of this image. */
  BAY_APT_KEPT: string;
  /** Separated by spaces. */
  BAY_APT_PACKAGES: string;
}

/** Output of the hook if packages of the base have newer versions. */
export const OUTDATED = "bay: the base is out of date";

const UNPACK_BASE = `tar -C "$1" -xf "$BAY_APT_BASE" --xattrs --xattrs-include="*" --exclude="./dev/*"`;
/** apt of the host, working on the new root. It selects the downloads from the signed index. */
const APT = "APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get --yes";
const LIST_FILES = `${APT} -qq -oAcquire::ForceHash=SHA256 --print-uris`;
const CHECK_BASE = `if [ -n "$(${LIST_FILES} dist-upgrade)" ]; then echo "${OUTDATED}" >&2; exit 1; fi`;
/** A cached package is used if it has the SHA-256 in the index. Hard links avoid copies. */
const TAKE_PACKAGES = `set -f; ${LIST_FILES} install -- $BAY_APT_PACKAGES | while read -r _ file _ hash; do
  kept="$BAY_APT_CACHE/$file"
  if [ "$(sha256sum 2>/dev/null <"$kept")" = "\${hash#SHA256:}  -" ]; then
    touch "$kept"; ln -f "$kept" "$1/var/cache/apt/archives/$file" || true
  fi
done 2>/dev/null`;
/**
 * The progress is written to standard error through a separate descriptor: apt closes the descriptor of its progress for
 * dpkg, and scripts of packages fail without standard error (apt's progress-reporting.md).
 */
const INSTALL_PACKAGES = [
  `set -f; ${APT} -oAPT::Status-Fd=9 -oDpkg::Use-Pty=false`,
  "-oDir::Bin::dpkg=env -oDPkg::Options::=--unset=TMPDIR -oDPkg::Options::=dpkg",
  '-oDPkg::Chroot-Directory="$1" install -- $BAY_APT_PACKAGES 9>&2',
].join(" ");
const KEEP_PACKAGES =
  'find "$1/var/cache/apt/archives" -maxdepth 1 -type f -name "*.deb" -exec ln -ft "$BAY_APT_KEPT" {} + || true';

function commonArguments({ components, snapshot, keep }: AptPackages): string[] {
  const left = (["docs", "man", "locales"] as const).filter((what) => !keep.includes(what));
  return [
    "--mode=root",
    "--format=tar",
    `--components=${components.join(",")}`,
    ...left.flatMap((what) => LEFT_OUT[what].map((option) => `--dpkgopt=${option}`)),
    ...(snapshot ? ["--aptopt=Acquire::Check-Valid-Until false"] : []),
  ];
}

function lastArguments({ suite, mirror, snapshot }: AptPackages, target: string): string[] {
  return [
    // a container's hostname and name servers are not part of its image
    '--customize-hook=rm -f "$1/etc/hostname" "$1/etc/resolv.conf"',
    suite,
    target,
    ...(snapshot ? [`${SNAPSHOTS}/${snapshot}`] : mirror ? [mirror] : []),
  ];
}

/** mmdebstrap's arguments for a base as a tar: the essential packages, which all images of one suite share. */
export function baseArguments(wanted: AptPackages, target: string): string[] {
  return [...commonArguments(wanted), "--variant=essential", ...lastArguments(wanted, target)];
}

/**
 * mmdebstrap's arguments for an image as a tar: the base with the packages. The result is byte for byte the same as without a
 * base. With `mustBeCurrent` it fails and prints `OUTDATED` if packages of the base have newer versions.
 */
export function imageArguments(
  wanted: AptPackages,
  target: string,
  { mustBeCurrent }: { mustBeCurrent: boolean },
): string[] {
  return [
    ...commonArguments(wanted),
    "--variant=custom",
    ...(wanted.keep.includes("lists") ? ["--skip=cleanup/apt/lists"] : []),
    `--setup-hook=${UNPACK_BASE}`,
    ...(mustBeCurrent ? [`--customize-hook=${CHECK_BASE}`] : []),
    `--customize-hook=${TAKE_PACKAGES}`,
    `--customize-hook=${INSTALL_PACKAGES}`,
    `--customize-hook=${KEEP_PACKAGES}`,
    ...lastArguments(wanted, target),
  ];
}
