/**
 * Size limits of a stack file, and checks of texts written to line-based files. The kernel takes one variable or argument
 * of at most 128 KiB (MAX_ARG_STRLEN, execve(2)), and a launch program has 1 MiB for all of them.
 */

import { statSync } from "node:fs";
import { LIMITS } from "../../core/limits.ts";
import { mostEntries, tooManyEntries } from "../files/entry-limit.ts";
import type { Service } from "../model/stack.ts";
import type { ServiceReader } from "../normalise/service-reader.ts";

/** A word of resolv.conf(5) or hosts(5): white space or a newline would begin another word or line there. */
const WORD = /^[^\s\p{C}]{1,255}$/u;

/** Reports values above the limits, and texts that would change the meaning of a line-based file. */
export function checkLimits(reader: ServiceReader, service: Service): void {
  for (const [key, entries] of [
    ["environment", service.environment],
    ["labels", service.labels],
    ["annotations", service.annotations],
  ] as const)
    checkEntries(reader, key, Object.entries(entries));
  for (const [key, words] of [
    ["dns_search", service.dnsSearch],
    ["dns_opt", service.dnsOptions],
    ["extra_hosts", service.extraHosts],
  ] as const) {
    checkCount(reader, key, words.length);
    const { input } = reader;
    words.forEach((word, index) => {
      const name = key === "extra_hosts" ? word.replace(/[=:].*$/s, "") : word;
      if (WORD.test(name)) return;
      const at = Array.isArray(input[key]) ? [key, index] : [key];
      reader.bad(at, `expected a word without spaces and control characters, got ${JSON.stringify(name)}`);
    });
  }
}

function checkCount(reader: ServiceReader, key: string, count: number): void {
  if (count > mostEntries(key)) reader.bad([key], tooManyEntries(key, count));
}

function checkEntries(reader: ServiceReader, key: string, given: readonly [string, string][]): void {
  checkCount(reader, key, given.length);
  const { entryBytes, entriesBytes } = LIMITS.stack;
  let total = 0;
  for (const [name, value] of given) {
    const size = Buffer.byteLength(name) + Buffer.byteLength(value) + 2;
    total += size;
    if (size > entryBytes)
      reader.bad(
        [key],
        `${JSON.stringify(name.slice(0, 80))} has ${size} bytes; at most ${entryBytes} are allowed`,
      );
  }
  if (total > entriesBytes)
    reader.bad([key], `all entries have ${total} bytes together; at most ${entriesBytes} are allowed`);
}

/** Why a file of variables or labels cannot be read; undefined if it can. A device has no end. */
export function listFileProblem(file: string): string | undefined {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat?.isCharacterDevice() && file !== "/dev/null") return `${file} is a device, expected a file`;
  const { listFileBytes } = LIMITS.stack;
  const size = stat?.size ?? 0;
  return size <= listFileBytes
    ? undefined
    : `${file} has ${size} bytes; at most ${listFileBytes} are allowed`;
}
