/** An image of Debian packages, as the stack file describes it and mmdebstrap(1) creates it. */
export interface AptPackages {
  suite: string;
  components: string[];
  packages: string[];
  /** Undefined for mmdebstrap's default: Debian's own, with the suite's updates and security updates. */
  mirror: string | undefined;
  /** A point in time of the archive, as snapshot.debian.org names it: 20260101T000000Z. */
  snapshot: string | undefined;
  /** Files that are omitted otherwise, because containers do not need them. */
  keep: ("docs" | "man" | "locales" | "lists")[];
}
