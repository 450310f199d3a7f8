/** nftables through libnftables (libnftables(3)): commands as text, each buffer one atomic transaction. */
import { BayError } from "../core/errors.ts";
import { loadLibrary } from "./libc.ts";

const NFT_CTX_OUTPUT_JSON = 1 << 4;
const TRIES = 10;

function load() {
  const lib = loadLibrary("libnftables.so.1", "libnftables1");
  return {
    create: lib.func("nft_ctx_new", "void *", ["uint32"]),
    free: lib.func("nft_ctx_free", "void", ["void *"]),
    run: lib.func("nft_run_cmd_from_buffer", "int", ["void *", "str"]),
    bufferOutput: lib.func("nft_ctx_buffer_output", "int", ["void *"]),
    bufferError: lib.func("nft_ctx_buffer_error", "int", ["void *"]),
    output: lib.func("nft_ctx_get_output_buffer", "str", ["void *"]),
    error: lib.func("nft_ctx_get_error_buffer", "str", ["void *"]),
    setFlags: lib.func("nft_ctx_output_set_flags", "void", ["void *", "uint32"]),
  };
}
let library: ReturnType<typeof load> | undefined;

/**
 * Runs commands in the thread's current network namespace and returns their output. Throws BayError NFTABLES with the
 * kernel's message; nothing of the transaction was applied then.
 */
export function nft(commands: string, options: { json?: boolean } = {}): string {
  for (let attempt = 1; ; attempt++) {
    try {
      return run(commands, options);
    } catch (error) {
      // a signal interrupted the call; nothing was applied
      if (!(error instanceof BayError) || !/Interrupted system call/.test(error.message) || attempt >= TRIES)
        throw error;
    }
  }
}

function run(commands: string, options: { json?: boolean }): string {
  library ??= load();
  const lib = library;
  const context = lib.create(0);
  try {
    lib.bufferOutput(context);
    lib.bufferError(context);
    if (options.json) lib.setFlags(context, NFT_CTX_OUTPUT_JSON);
    if (lib.run(context, commands) !== 0) {
      const error = String(lib.error(context) ?? "").trim();
      throw new BayError("NFTABLES", `nftables rejected a change: ${error.split("\n")[0]}`, {
        hint: "bay doctor shows whether this kernel has nf_tables with nat",
        cause: new Error(error),
      });
    }
    return String(lib.output(context) ?? "");
  } finally {
    lib.free(context);
  }
}
