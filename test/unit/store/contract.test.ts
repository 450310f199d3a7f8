import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { JournalStore } from "../../../src/store/index.ts";
import { storeContract } from "../../contracts/store.ts";
import { MemoryStore } from "../../support/memory-store.ts";

storeContract("the journal", () => {
  const folder = mkdtempSync(join(tmpdir(), "bay-store-contract-"));
  return { open: () => new JournalStore(folder), remove: () => rmSync(folder, { recursive: true }) };
});

storeContract("in memory", () => {
  const documents = new Map<string, string>();
  return { open: () => new MemoryStore(documents), remove: () => documents.clear() };
});
