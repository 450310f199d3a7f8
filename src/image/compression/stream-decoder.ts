/**
 * The loop around a decompressor of C: zlib's z_stream, bzip2's bz_stream and liblzma's lzma_stream begin alike, with
 * what comes in and what goes out.
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
  /** The struct that the library's calls are given, set up. */
  stream: Buffer;
  /** Takes and gives what it can. Any other number than `good` and `ended` says what is wrong. */
  step: () => number;
  good: readonly number[];
  ended: number;
  /** Makes it ready for another stream behind the one that ended. */
  next: () => void;
  close: () => void;
}

/** A source of what the streams of another decompress to. Throws BAD_LAYER where they are damaged or cut. */
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
