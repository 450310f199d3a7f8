/** The C library's heap, which V8's own does not count: buffers, sources, what libuv and koffi keep. */
import { libc } from "./libc.ts";

const mallocTrim = libc.func("malloc_trim", "int", ["uint64"]);

/** Gives free pages of the heap back to the kernel: malloc_trim(3). */
export function trimHeap(): void {
  mallocTrim(0);
}
