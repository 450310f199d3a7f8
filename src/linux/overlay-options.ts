/** Mount options of overlayfs (Documentation/filesystems/overlayfs.rst). */

export interface OverlayDirectories {
  /** The topmost first. */
  lower: readonly string[];
  /** Without these the mount is read-only. */
  writable?: { upper: string; work: string } | undefined;
}

/** overlayfs separates options by commas and lower directories by colons, and `\` escapes the next character. */
const escaped = (path: string): string => path.replace(/[\\,:]/g, "\\$&");

/** Returns the option string, in which special characters of paths are escaped. */
export function overlayOptions({ lower, writable }: OverlayDirectories): string {
  const options = [`lowerdir=${lower.map(escaped).join(":")}`];
  if (writable) options.push(`upperdir=${escaped(writable.upper)}`, `workdir=${escaped(writable.work)}`);
  return options.join(",");
}
