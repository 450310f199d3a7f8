/** Names of platforms: `linux/amd64`, with other names of architectures as in containerd's platforms package. */

const ARCHITECTURES: Readonly<Record<string, string>> = {
  x86_64: "amd64",
  "x86-64": "amd64",
  aarch64: "arm64",
  armhf: "arm",
  armel: "arm",
  i386: "386",
};

/** The usual name of an architecture, in lower case. */
export const plainArchitecture = (name: string): string => {
  const lower = name.toLowerCase();
  return Object.hasOwn(ARCHITECTURES, lower) ? ARCHITECTURES[lower]! : lower;
};

/** A platform in lower case, without variant and with the usual architecture name; an architecture alone means Linux. */
export function plainPlatform(platform: string): string {
  const parts = platform.toLowerCase().split("/");
  const [system, architecture = ""] = parts.length === 1 ? ["linux", parts[0]] : parts;
  return `${system}/${plainArchitecture(architecture)}`;
}

/** True for a platform with a variant that is not the only one of its architecture: `linux/amd64/v3`, but not `linux/arm64/v8`. */
export function isOfVariant(platform: string): boolean {
  const variant = platform.toLowerCase().split("/")[2];
  return (
    variant !== undefined && variant !== "" && `${plainPlatform(platform)}/${variant}` !== "linux/arm64/v8"
  );
}
