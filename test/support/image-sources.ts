/** The files of the contract of image sources: a tar, and an archive of an image. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MEDIA } from "../../src/image/model/manifest.ts";
import { hostPlatform } from "../../src/image/model/platform.ts";
import { sourceCases } from "../contracts/image-source.ts";

const tar = (folder: string, target: string) => execFileSync("tar", ["-c", "-f", target, "-C", folder, "."]);

/** An OCI layout in a tar, with one layer of one file. */
function archive(target: string): void {
  const folder = mkdtempSync(join(tmpdir(), "bay-layout-"));
  try {
    mkdirSync(join(folder, "tree"));
    mkdirSync(join(folder, "layout/blobs/sha256"), { recursive: true });
    writeFileSync(join(folder, "tree/file"), "content");
    const put = (bytes: Buffer | string, mediaType: string) => {
      const hex = createHash("sha256").update(bytes).digest("hex");
      writeFileSync(join(folder, "layout/blobs/sha256", hex), bytes);
      return { mediaType, digest: `sha256:${hex}`, size: Buffer.byteLength(bytes) };
    };
    const layer = put(execFileSync("tar", ["-c", "-C", join(folder, "tree"), "file"]), MEDIA.layer);
    const rootfs = { type: "layers", diff_ids: [layer.digest] };
    const config = put(JSON.stringify({ ...hostPlatform(), config: {}, rootfs }), MEDIA.config);
    const manifest = put(
      JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.manifest, config, layers: [layer] }),
      MEDIA.manifest,
    );
    writeFileSync(
      join(folder, "layout/index.json"),
      JSON.stringify({ schemaVersion: 2, manifests: [manifest] }),
    );
    writeFileSync(join(folder, "layout/oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
    execFileSync("tar", ["-c", "-f", target, "-C", join(folder, "layout"), "."]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export const SOURCE_CASES = sourceCases(tar, archive);
