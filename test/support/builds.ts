/** Builds of a test: a context that is empty before each, a small base, and looks into what was built. */
import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Bay, type Result } from "./bay.ts";

/** A stage `base` with busybox, root and bob. */
export const BASE = `FROM scratch AS base
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
COPY <<EOF /etc/passwd
root:x:0:0:root:/root:/bin/sh
bob:x:7:8::/home/bob:/bin/sh
EOF
`;

export interface Inspected {
  Id: string;
  Config: Record<string, unknown>;
  RootFS: { Layers: string[] };
}

export class Builds {
  readonly bay = new Bay();
  readonly context = join(this.bay.folder, "context");

  constructor() {
    mkdirSync(this.context);
    this.bay.write("name: say\nservices: {}\n");
    this.empty();
  }

  /** Leaves busybox alone in the context. */
  empty(): void {
    for (const name of readdirSync(this.context)) rmSync(join(this.context, name), { recursive: true });
    copyFileSync("/bin/busybox", join(this.context, "busybox"));
  }

  put = (name: string, text: string): void => {
    mkdirSync(join(this.context, name, ".."), { recursive: true });
    writeFileSync(join(this.context, name), text);
  };

  run = (dockerfile: string, ...options: string[]): Result => {
    this.put("Dockerfile", dockerfile);
    return this.bay.run(["image", "build", "-t", "test:1", "--progress", "plain", ...options, this.context]);
  };

  /** Builds on the base and gives what is told. */
  build = (dockerfile: string, ...options: string[]): string => {
    const { code, out, err } = this.run(`${BASE}${dockerfile}`, ...options);
    if (code !== 0) throw new Error(`${out}${err}`);
    return err;
  };

  inspect = (): Inspected => (JSON.parse(this.bay.ok("image", "inspect", "test:1")) as Inspected[])[0]!;

  /** What a command in the built image says. */
  say = (command: string): string => {
    this.bay.write(
      `name: say\nservices:\n  a: { image: "test:1", network_mode: none, entrypoint: [/bin/sh, -c] }\n`,
    );
    return this.bay.ok("run", "--rm", "-T", "a", command);
  };
}
