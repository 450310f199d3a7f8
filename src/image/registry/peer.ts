/**
 * Images of other hosts of the cluster: bayd serves its images to members as a registry does (OCI distribution specification,
 * "Pull"), by digest only. The connections are the cluster's.
 */
import type { Socket } from "node:net";
import { Agent } from "undici";
import type { LayerStore } from "../layers/layer-store.ts";
import { hostPlatform } from "../model/platform.ts";
import type { ContentStore, Descriptor } from "../store/content-store.ts";
import type { ImageRecord } from "../store/image-records.ts";
import { RegistryClient } from "./client.ts";
import { pullFrom } from "./pull.ts";
import type { PullRequest } from "./pull-request.ts";

/** The repository of all images of a host: a digest says which one is meant. */
export const PEER_REPOSITORY = "bay/images";
/** A host that sends nothing for so many milliseconds has stalled. */
const STALL_TIME = 30_000;

export interface PeerSource {
  /** The name of the host. */
  host: string;
  /** The digest of the manifest. */
  manifest: string;
  made?: ImageRecord["made"];
  /** Opens a connection to the host. Throws HOST_UNREACHABLE. */
  connect: () => Promise<Socket>;
}

/** Fetches, verifies and unpacks the missing parts of an image, with the limits of a pull. Throws like `pullImage`. */
export async function pullFromPeer(
  content: ContentStore,
  layers: LayerStore,
  { host, manifest, connect }: PeerSource,
  options: Pick<PullRequest, "onProgress" | "signal">,
): Promise<Descriptor> {
  const dispatcher = new Agent({
    connect: (_, callback) =>
      void connect().then(
        (socket) => callback(null, socket as Parameters<typeof callback>[1] & Socket),
        (error: Error) => callback(error, null),
      ),
    headersTimeout: STALL_TIME,
    bodyTimeout: STALL_TIME,
  });
  const endpoint = {
    base: `https://${host}`,
    host: `host ${host}`,
    insecure: false,
    isMirror: true,
    dispatcher,
  };
  try {
    const pulled = await pullFrom(new RegistryClient(endpoint, undefined), content, layers, {
      reference: { registry: host, repository: PEER_REPOSITORY, tag: undefined, digest: manifest },
      platform: hostPlatform(),
      credentialsOf: async () => undefined,
      ...options,
    });
    return pulled.manifest;
  } finally {
    void dispatcher.close().catch(() => {});
  }
}
