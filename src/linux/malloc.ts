/** The C library's heap, which V8 does not count: buffers, sources, allocations of libuv and koffi. */
import { libc } from "./libc.ts";

const mallocTrim = libc.func("malloc_trim", "int", ["uint64"]);

/** Returns free pages of the heap to the kernel: malloc_trim(3). */
export function trimHeap(): void {
  mallocTrim(0);
}
