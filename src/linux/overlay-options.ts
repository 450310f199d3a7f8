/** Options of a mount of overlayfs (Documentation/filesystems/overlayfs.rst). */

export interface OverlayDirectories {
  /** The topmost first. */
  lower: readonly string[];
  /** Without these the mount is read-only. */
  writable?: { upper: string; work: string } | undefined;
}

/** overlayfs splits its options at commas and the lower directories at colons, and takes `\` before a character as that one. */
const escaped = (path: string): string => path.replace(/[\\,:]/g, "\\$&");

/** The option string, in which any path is kept to the letter. */
export function overlayOptions({ lower, writable }: OverlayDirectories): string {
  const options = [`lowerdir=${lower.map(escaped).join(":")}`];
  if (writable) options.push(`upperdir=${escaped(writable.upper)}`, `workdir=${escaped(writable.work)}`);
  return options.join(",");
}
