/** The build of a service. */
export interface StackBuild {
  /** An absolute path, or a URL. */
  context: string;
  /** The path as written, relative to the directory; undefined if the text is inline. */
  dockerfile: string | undefined;
  inline: string | undefined;
  args: Record<string, string>;
  target: string | undefined;
  /** Files and images by name: an absolute path, a URL, `docker-image://NAME`, or `service:NAME`. */
  contexts: Record<string, string>;
  cacheFrom: string[];
  cacheTo: string[];
  noCache: boolean;
  noCacheFilter: string[];
  pull: boolean;
  labels: Record<string, string>;
  /** Names of the stack's secrets, by the ID that RUN --mount has. */
  secrets: Record<string, string>;
  network: "bridge" | "host" | "none";
  shmSize: number | undefined;
  extraHosts: string[];
  /** Agents' sockets by ID. */
  ssh: Record<string, string>;
  tags: string[];
  platform: string | undefined;
  ulimits: Record<string, { soft: number; hard: number }>;
  insecure: boolean;
  hostNetwork: boolean;
}
