/**
 * The loop around a C decompressor: zlib's z_stream, bzip2's bz_stream and liblzma's lzma_stream begin with the same fields
 * for input and output.
 */
import { BayError } from "../../core/errors.ts";
import { addressOf } from "../../linux/index.ts";
import { inParts, type ReadBytes } from "../tar/read.ts";
import type { Decompressor } from "./index.ts";

const NEXT_IN = 0;
const AVAIL_IN = 8;
const NEXT_OUT = 24;
const AVAIL_OUT = 32;
const CHUNK = 1 << 20;

export interface Codec {
  name: string;
  /** The initialized struct that is passed to the library. */
  stream: Buffer;
  /** Consumes and produces as much as possible. A result other than `good` and `ended` is an error. */
  step: () => number;
  good: readonly number[];
  ended: number;
  /** Prepares for another stream after the end of one. */
  next: () => void;
  close: () => void;
}

/** Returns a source of the decompressed bytes of another source. Throws BAD_LAYER if the data is damaged or truncated. */
export function decodeStream(codec: Codec, read: ReadBytes): Decompressor {
  const { name, stream, good, ended } = codec;
  const chunk = Buffer.allocUnsafeSlow(CHUNK);
  let input: Buffer | undefined; // kept, because the library holds its address
  let isBetween = true;
  let hasEnded = false;

  const fill = () => {
    stream.writeBigUInt64LE(addressOf(chunk), NEXT_OUT);
    stream.writeUInt32LE(CHUNK, AVAIL_OUT);
    while (!hasEnded && stream.readUInt32LE(AVAIL_OUT) > 0) {
      if (stream.readUInt32LE(AVAIL_IN) === 0) {
        input = read(CHUNK);
        if (input.length === 0) {
          if (!isBetween) throw new BayError("BAD_LAYER", `the ${name} data ends too early`);
          hasEnded = true;
          break;
        }
        stream.writeBigUInt64LE(addressOf(input), NEXT_IN);
        stream.writeUInt32LE(input.length, AVAIL_IN);
      }
      isBetween = false;
      const result = codec.step();
      if (result === ended) {
        isBetween = true;
        codec.next();
      } else if (!good.includes(result))
        throw new BayError("BAD_LAYER", `the ${name} data is damaged (${result})`);
    }
    return chunk.subarray(0, CHUNK - stream.readUInt32LE(AVAIL_OUT));
  };
  return { read: inParts(fill), close: codec.close };
}
