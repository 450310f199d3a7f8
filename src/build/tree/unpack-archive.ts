/** ADD of a local archive: what is in it goes into the target (Dockerfile reference, "Adding local tar archives"). */
import { closeSync, openSync, readSync } from "node:fs";
import { BayError } from "../../errors.ts";
import {
  binary,
  bytesOf,
  compressionAt,
  decompress,
  fromDescriptor,
  loadCompression,
  unpackInto,
} from "../../image/layers.ts";
import type { ThreadRoot } from "../../linux/index.ts";
import { makeDirectories } from "./copy.ts";
import type { CopyOptions } from "./tasks.ts";

const BLOCK = 512;
const USTAR_AT = 257;
const OTHERS = [
  { name: "bzip2", magic: [0x42, 0x5a, 0x68] },
  { name: "xz", magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00] },
];

/** By its content, not by its name. In the source's root. Throws UNSUPPORTED for one that bay cannot decompress. */
export function isArchive(place: string): boolean {
  const fd = openSync(bytesOf(place), "r");
  const head = Buffer.alloc(BLOCK);
  try {
    const size = readSync(fd, head, 0, BLOCK, 0);
    const other = OTHERS.find(({ magic }) => magic.every((byte, index) => head[index] === byte));
    if (other)
      throw new BayError(
        "UNSUPPORTED",
        `ADD: ${bytesOf(place)} is packed with ${other.name}, which bay cannot unpack`,
        {
          hint: "pack it with gzip or zstd, or COPY it and unpack it in a RUN",
        },
      );
    const kind = compressionAt(place, 0);
    if (kind === "none") return size === BLOCK && isHeader(head);
    loadCompression(kind);
    const plain = decompress(kind, fromDescriptor(fd), Number.MAX_SAFE_INTEGER / 2 ** 11);
    try {
      const first = Buffer.concat([plain.read(BLOCK)]);
      return first.length >= USTAR_AT && isHeader(first);
    } catch {
      return false; // compressed, and no archive
    } finally {
      plain.close();
    }
  } finally {
    closeSync(fd);
  }
}

const isHeader = (block: Buffer) => block.toString("latin1", USTAR_AT, USTAR_AT + 5) === "ustar";

export function unpackArchive(
  { source, target, options }: { source: ThreadRoot; target: ThreadRoot; options: CopyOptions },
  place: string,
): void {
  if (options.owner || options.mode !== undefined)
    throw new BayError("UNSUPPORTED", "ADD: --chown and --chmod do not go with an archive that is unpacked", {
      hint: "change owners in a RUN",
    });
  source.enter();
  const kind = compressionAt(place, 0);
  loadCompression(kind);
  const fd = openSync(bytesOf(place), "r");
  const plain = decompress(kind, fromDescriptor(fd), Number.MAX_SAFE_INTEGER / 2 ** 11);
  try {
    target.enter();
    unpackInto(makeDirectories(binary(options.target), options), plain.read);
  } finally {
    plain.close();
    closeSync(fd);
  }
}
