/** The revisions of stacks that were applied: what the files said, and which images their names meant. */
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
  /** The revision that was brought back by it. */
  from?: number;
  /** Services whose containers were replaced because a user asked for it, and for nothing else. */
  recreated?: string[];
}

const KEEP = 20;
const prefix = (stack: string) => `revision/${stack}/`;
const keyOf = (stack: string, number: number) => prefix(stack) + String(number).padStart(8, "0");

export class History {
  constructor(readonly store: Store) {}

  /** The oldest first. */
  list(stack: string): Revision[] {
    return this.store.list<Revision>(prefix(stack));
  }

  /** The last one of each of these stacks. */
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
          : `revisions ${all[0]!.number} to ${all.at(-1)!.number} are kept; bay history -p ${stack} lists them`,
    });
  }

  /** The revision before the last. Throws NO_REVISION. */
  previous(stack: string): Revision {
    const before = this.list(stack).at(-2);
    if (before) return before;
    throw new BayError("NO_REVISION", `the stack ${stack} has no revision before this one`, {
      hint: `bay history -p ${stack} lists the revisions`,
    });
  }

  /**
   * Notes what was applied, where it differs from what was before, or containers were recreated. Where only some services were, the others are as in the
   * revision before.
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
    const isSame =
      last && JSON.stringify([last.stack, last.images]) === JSON.stringify([whole.stack, whole.images]);
    if (isSame && recreated.length === 0) return;
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

  /** What revisions of some stacks need to be brought back: IDs of images, and digests of secrets and configs. */
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

/** Contents are kept by their digests, and not here. */
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
