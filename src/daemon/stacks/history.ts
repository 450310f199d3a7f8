/** The applied revisions of stacks: the stack, and the images that its names referred to. */
import { BayError } from "../../core/errors.ts";
import type { Stack } from "../../stack/index.ts";
import type { Store } from "../../store/index.ts";

export interface Revision {
  number: number;
  /** ISO 8601. */
  at: string;
  stack: Stack;
  /** IDs of the images by reference. */
  images: Record<string, string>;
  /** The revision that this one restored. */
  from?: number;
  /** Services whose containers were replaced only because a user requested it. */
  recreated?: string[];
}

const KEEP = 20;
const prefix = (stack: string) => `revision/${stack}/`;
const keyOf = (stack: string, number: number) => prefix(stack) + String(number).padStart(8, "0");

export class History {
  constructor(readonly store: Store) {}

  /** The revisions of a stack, the oldest first. */
  list(stack: string): Revision[] {
    return this.store.list<Revision>(prefix(stack));
  }

  /** The last revision of each of these stacks. */
  latest(stacks: ReadonlySet<string>): Stack[] {
    return [...stacks].flatMap((name) => this.list(name).at(-1)?.stack ?? []);
  }

  /** Throws NO_REVISION. */
  get(stack: string, number: number): Revision {
    const revision = this.store.get<Revision>(keyOf(stack, number));
    if (revision) return revision;
    const all = this.list(stack);
    throw new BayError("NO_REVISION", `the stack ${stack} has no revision ${number}`, {
      hint:
        all.length === 0
          ? "bay up creates the first revision"
          : `revisions ${all[0]!.number} to ${all.at(-1)!.number} are kept; bay -p ${stack} history lists them`,
    });
  }

  /** The revision before the last. Throws NO_REVISION. */
  previous(stack: string): Revision {
    const before = this.list(stack).at(-2);
    if (before) return before;
    throw new BayError("NO_REVISION", `the stack ${stack} has no revision before this one`, {
      hint: `bay -p ${stack} history lists the revisions`,
    });
  }

  /**
   * Records what was applied, if it differs from the last revision, or containers were recreated. If only some services were
   * applied, the others are as in the last revision.
   */
  note(
    stack: Stack,
    images: Record<string, string>,
    {
      services,
      from,
      recreated = [],
    }: { services: readonly string[] | undefined; from?: number | undefined; recreated?: readonly string[] },
  ): void {
    const all = this.list(stack.name);
    const last = all.at(-1);
    const kept = withoutValues(stack);
    const whole = services ? mergedWith(last, kept, images, services) : { stack: kept, images };
    const isSame = last !== undefined && contentOfRevision(last) === contentOfRevision(whole);
    if (isSame && recreated.length === 0) {
      const { directory, files } = whole.stack;
      const isMoved =
        JSON.stringify([last.stack.directory, last.stack.files]) !== JSON.stringify([directory, files]);
      // a rollback to it reads the files where they are now
      if (isMoved) this.store.put(keyOf(stack.name, last.number), { ...last, ...whole });
      return;
    }
    const revision: Revision = {
      number: (last?.number ?? 0) + 1,
      at: new Date().toISOString(),
      ...whole,
      ...(from === undefined ? {} : { from }),
      ...(isSame ? { recreated: [...recreated] } : {}),
    };
    const old = all.slice(0, Math.max(0, all.length + 1 - KEEP));
    this.store.write([
      ...old.map(({ number }) => ({ key: keyOf(stack.name, number), deleted: true as const })),
      { key: keyOf(stack.name, revision.number), value: revision },
    ]);
  }

  forget(stack: string): void {
    this.store.write(
      this.list(stack).map(({ number }) => ({ key: keyOf(stack, number), deleted: true as const })),
    );
  }

  /** The images (by ID), and secrets and configs (by digest), that are needed to restore revisions of some stacks. */
  needed(stacks: ReadonlySet<string>): { images: Set<string>; contents: Set<string> } {
    const images = new Set<string>();
    const contents = new Set<string>();
    for (const name of stacks)
      for (const revision of this.list(name)) {
        for (const id of Object.values(revision.images)) images.add(id);
        const { secrets, configs } = revision.stack;
        for (const { digest } of [...Object.values(secrets), ...Object.values(configs)]) contents.add(digest);
      }
    return { images, contents };
  }
}

/** What two revisions are compared by: a stack whose files only moved is the same. */
const contentOfRevision = ({ stack, images }: Pick<Revision, "stack" | "images">): string =>
  JSON.stringify([{ ...stack, directory: "", files: [] }, images]);

/** Without contents, which are stored by digest and not here. */
function withoutValues(stack: Stack): Stack {
  const without = (given: Stack["secrets"]): Stack["secrets"] =>
    Object.fromEntries(
      Object.entries(given).map(([name, entry]) => [
        name,
        "environment" in entry
          ? { environment: entry.environment, value: undefined, digest: entry.digest }
          : entry,
      ]),
    );
  return { ...stack, secrets: without(stack.secrets), configs: without(stack.configs) };
}

function mergedWith(
  last: Revision | undefined,
  stack: Stack,
  images: Record<string, string>,
  services: readonly string[],
): Pick<Revision, "stack" | "images"> {
  const chosen = Object.fromEntries(services.map((name) => [name, stack.services[name]!]));
  const before = last?.stack;
  return {
    stack: {
      ...stack,
      services: { ...before?.services, ...chosen },
      networks: { ...before?.networks, ...stack.networks },
      volumes: { ...before?.volumes, ...stack.volumes },
      images: { ...before?.images, ...stack.images },
      secrets: { ...before?.secrets, ...stack.secrets },
      configs: { ...before?.configs, ...stack.configs },
    },
    images: { ...last?.images, ...images },
  };
}
