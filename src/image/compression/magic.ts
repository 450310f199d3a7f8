/** Detects compression by the first bytes of the data. */
export type Compression = "none" | "gzip" | "bzip2" | "xz" | "zstd";

const MAGIC: Record<Exclude<Compression, "none">, readonly number[]> = {
  gzip: [0x1f, 0x8b],
  bzip2: [0x42, 0x5a, 0x68],
  xz: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0],
  zstd: [0x28, 0xb5, 0x2f, 0xfd],
};
export const MAGIC_SIZE = 6;

export const COMPRESSIONS = Object.keys(MAGIC) as Exclude<Compression, "none">[];

export function compressionOf(head: Buffer): Compression {
  const found = COMPRESSIONS.find((kind) => MAGIC[kind].every((byte, index) => head[index] === byte));
  return found ?? "none";
}
