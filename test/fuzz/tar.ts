/** The tar reader and the registry's challenges under random changes of honest input. */
import { randomBytes, randomInt } from "node:crypto";
import { BayError } from "../../src/core/errors.ts";
import { parseChallenges } from "../../src/image/registry/challenge.ts";
import { PLAIN_ENTRY } from "../../src/image/tar/describe.ts";
import { encodeEntry, padding, type TarEntry } from "../../src/image/tar/header.ts";
import { readTar } from "../../src/image/tar/read.ts";

const TYPES = ["file", "hardlink", "symlink", "char", "block", "directory", "fifo"] as const;

function honest(): Buffer {
  const parts: Buffer[] = [];
  for (let count = randomInt(1, 5); count > 0; count--) {
    const type = TYPES[randomInt(TYPES.length)]!;
    const content = type === "file" ? randomBytes(randomInt(1200)) : Buffer.alloc(0);
    const entry: TarEntry = {
      ...PLAIN_ENTRY,
      name: randomBytes(randomInt(1, 200)).toString("latin1").replaceAll("\0", "/"),
      type,
      mode: randomInt(0o7777),
      uid: randomInt(2 ** 31),
      mtime: randomInt(2 ** 31),
      nanoseconds: randomInt(1_000_000_000),
      linkName: randomBytes(randomInt(150)).toString("latin1").replaceAll("\0", "."),
      size: content.length,
      xattrs: new Map([["user.x", randomBytes(randomInt(50))]]),
    };
    parts.push(encodeEntry(entry), content, padding(content.length));
  }
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

const LURES = [
  "GNU.sparse.map=",
  "GNU.sparse.major=1",
  "size=",
  "path=../",
  "99999999999",
  "-1",
  "\0",
  "S",
  "x",
  "g",
  "L",
  "K",
];

/** Some bytes changed, words put in, ends cut; checksums are made right again, so that more than they is tried. */
function spoil(bytes: Buffer): Buffer {
  let spoiled = Buffer.from(bytes);
  for (let count = randomInt(1, 6); count > 0; count--) {
    const at = randomInt(spoiled.length);
    const kind = randomInt(4);
    if (kind === 0) spoiled[at] = randomInt(256);
    else if (kind === 1) Buffer.from(LURES[randomInt(LURES.length)]!, "latin1").copy(spoiled, at);
    else if (kind === 2) spoiled = spoiled.subarray(0, Math.max(1, at));
    else spoiled.copy(spoiled, at, randomInt(spoiled.length));
  }
  for (let block = 0; block + 512 <= spoiled.length; block += 512) {
    if (spoiled.toString("latin1", block + 257, block + 262) !== "ustar") continue;
    spoiled.fill(32, block + 148, block + 156);
    const sum = spoiled.subarray(block, block + 512).reduce((total, byte) => total + byte, 0);
    spoiled.write(`${sum.toString(8).padStart(6, "0")}\0 `, block + 148, "latin1");
  }
  return spoiled;
}

function tryTar(bytes: Buffer): void {
  let at = 0;
  let given = 0;
  const read = (length: number) => {
    const part = bytes.subarray(at, at + length);
    at += part.length;
    return part;
  };
  readTar(read, (_entry, content) => {
    for (let part = content(4096); part.length > 0; part = content(4096)) given += part.length;
    if (given > bytes.length) throw new Error("more content than there are bytes");
    return undefined;
  });
}

export async function fuzz(seconds: number): Promise<void> {
  const end = Date.now() + seconds * 1000;
  let [rounds, refused] = [0, 0];
  while (Date.now() < end) {
    for (let count = 0; count < 500; count++, rounds++) {
      const bytes = spoil(honest());
      try {
        tryTar(bytes);
      } catch (error) {
        if (!(error instanceof BayError)) {
          console.error(`after ${rounds} rounds, this input (base64):\n${bytes.toString("base64")}`);
          throw error;
        }
        refused += 1;
      }
      for (const { scheme } of parseChallenges(bytes.toString("latin1", 0, 300)))
        if (!scheme) throw new Error("no scheme");
    }
    await new Promise((done) => setImmediate(done));
  }
  console.log(
    `${rounds} archives in ${seconds} s: ${refused} refused, ${rounds - refused} read, nothing else happened`,
  );
}
