import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "vitest";
import { createNamespace, inNamespace, nft, removeNamespace } from "../../src/linux/index.ts";
import { nftablesContract } from "../contracts/nftables.ts";

const opened: string[] = [];
afterEach(() => {
  for (const folder of opened.splice(0)) {
    removeNamespace(join(folder, "ns"));
    rmSync(folder, { recursive: true });
  }
});

nftablesContract("the kernel", () => {
  const folder = mkdtempSync(join(tmpdir(), "bay-nftables-"));
  opened.push(folder);
  createNamespace(join(folder, "ns"));
  return (commands) => inNamespace(join(folder, "ns"), () => nft(commands));
});
