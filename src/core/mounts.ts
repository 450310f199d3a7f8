/** The mounts of a service in a stack file, which are also those of its containers. */

/** A directory or file of the host. */
export interface BindMount {
  type: "bind";
  source: string;
  target: string;
  readOnly: boolean;
  recursive: boolean;
  createSource: boolean;
  /** slave: mounts added below the source later appear in the container; shared: and those of the container at the source. */
  propagation?: "slave" | "shared" | undefined;
  /** Its files are labelled for all containers (z), or only for this one (Z). */
  selinux?: "z" | "Z";
}

export interface VolumeMount {
  type: "volume";
  /** The volume; empty for an anonymous one that has no name yet. */
  source: string;
  target: string;
  readOnly: boolean;
  noCopy: boolean;
  selinux?: "z" | "Z";
  /** The directory of the volume that is mounted. */
  subpath?: string;
}

/** The files of an image, read-only. */
export interface ImageMount {
  type: "image";
  source: string;
  target: string;
  readOnly: true;
  subpath?: string;
}

export interface TmpfsMount {
  type: "tmpfs";
  target: string;
  options: string[];
}
