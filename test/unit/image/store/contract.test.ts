import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ContentStore } from "../../../../src/image/store/content-store.ts";
import { contentContract } from "../../../contracts/content.ts";

contentContract("on the disk", () => {
  const folder = mkdtempSync(join(tmpdir(), "bay-content-contract-"));
  return { content: new ContentStore(folder), remove: () => rmSync(folder, { recursive: true }) };
});
