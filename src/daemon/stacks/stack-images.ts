/** The images of a stack: pulled, built, or created as its `images:` defines. */
import type { Socket } from "node:net";
import type { Builder, BuildNews, FindImage } from "../../build/index.ts";
import type { ContainerManager } from "../../container/index.ts";
import { BayError } from "../../core/errors.ts";
import { type ImageRecord, type PullProgress, PullSummary, staleReason } from "../../image/index.ts";
import type { Actual, Say, Step } from "../../reconcile/index.ts";
import type { Stack } from "../../stack/index.ts";
import { type BuildChanges, toBuildRequest } from "./build-request.ts";
import { toImageSource } from "./observe.ts";

/** Arguments of a build that a user gave in addition to the file's: a plan does not revert them. */
interface AskedBuild {
  id: string;
  args: Record<string, string>;
}

const ASKED = "asked-build/";

export class StackImages {
  constructor(
    readonly manager: ContainerManager,
    readonly builder: () => Promise<Builder>,
  ) {}

  /** Determines which of the built images are outdated. */
  async noteStale(stack: Stack, { images }: Actual): Promise<void> {
    const built = Object.values(stack.services).filter(({ image, build }) => build && images[image]);
    if (built.length === 0) return;
    const builder = await this.builder();
    await Promise.all(
      built.map(async (service) => {
        const known = images[service.image]!;
        // only the host that built it can compare it with its build
        if (this.isFetched(service.image)) return;
        const asked = this.manager.store.get<AskedBuild>(ASKED + service.image);
        const changes = asked?.id === known.id ? { args: asked.args } : {};
        known.stale = await reasonToBuild(() =>
          builder.outdated(toBuildRequest(service, stack, changes), known, this.#currentImage(stack)),
        );
      }),
    );
  }

  /** Whether the image came from another host of the cluster. */
  isFetched(name: string): boolean {
    return this.manager.images.records.find(name)?.fetched !== undefined;
  }

  /** Returns one of the stack's images if it is up to date. */
  #currentImage(stack: Stack): FindImage {
    const { images } = this.manager;
    return async (name) => {
      const own = stack.images[name];
      const known = own && images.records.find(name);
      return known && staleReason(known, toImageSource(own)) === undefined ? images.get(name) : undefined;
    };
  }

  /** Opens a connection to another host of the cluster. Throws NOT_A_MEMBER, HOST_NOT_FOUND, HOST_UNREACHABLE. */
  connectTo: (host: string) => Promise<Socket> = async (host) => {
    throw new BayError("NOT_A_MEMBER", `this host does not know the host ${host}`);
  };

  bring(stack: Stack, step: Step, say: Say, signal: AbortSignal | undefined): Promise<unknown> {
    if (step.kind === "image.pull") return this.#pullImage(step.name, say, signal);
    if (step.kind === "image.fetch") return this.#fetch(step.name, stack, say, signal);
    if (step.kind === "image.build") return this.#build(stack, step.service!, say, signal);
    return this.#makeImage(stack, step.name, say, signal);
  }

  #build(stack: Stack, service: string, say: Say, signal: AbortSignal | undefined): Promise<ImageRecord> {
    return this.build(
      stack,
      service,
      {},
      ({ kind, title, text }) => {
        if (kind === "started") say(title, true);
        else if (kind === "note") say(text ?? "");
      },
      signal,
    );
  }

  /** Builds a service's image. Its Dockerfile may be based on another image of the stack. Throws like `Builder.build`. */
  async build(
    stack: Stack,
    service: string,
    changes: BuildChanges,
    tell: (news: BuildNews) => void,
    signal: AbortSignal | undefined,
  ): Promise<ImageRecord> {
    const request = toBuildRequest(stack.services[service]!, stack, changes);
    const builder = await this.builder();
    const image = await builder.build(request, tell, signal, async (name) => {
      const own = stack.images[name];
      return own && this.manager.images.ensure(name, toImageSource(own), { signal });
    });
    this.manager.events.publish("image", "build", image.id, { name: image.reference });
    const { store } = this.manager;
    const name = ASKED + stack.services[service]!.image;
    if (changes.args && Object.keys(changes.args).length > 0)
      store.put(name, { id: image.id, args: changes.args } satisfies AskedBuild);
    else if (store.get(name)) store.delete(name);
    return image;
  }

  async #makeImage(stack: Stack, name: string, say: Say, signal: AbortSignal | undefined): Promise<void> {
    const options = { signal, say: (line: string) => say(line, true) };
    const image = await this.manager.images.ensure(name, toImageSource(stack.images[name]!), options);
    this.manager.events.publish("image", "build", image.id, { name });
  }

  async #fetch(
    name: string,
    { peerImages }: Stack,
    say: Say,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { from, known, made } = peerImages![name]!;
    if (!known) throw new BayError("IMAGE_NOT_FOUND", `the image ${name} does not exist on host ${from} yet`);
    const source = { host: from, manifest: known.manifest, made, connect: () => this.connectTo(from) };
    const options = { onProgress: progressTo(say), signal };
    const image = await this.manager.images.registries.fetchFromPeer(name, source, options);
    this.manager.events.publish("image", "pull", image.id, { name });
  }

  async #pullImage(name: string, say: Say, signal: AbortSignal | undefined): Promise<void> {
    const image = await this.manager.images.registries.pull(name, { onProgress: progressTo(say), signal });
    this.manager.events.publish("image", "pull", image.id, { name });
  }
}

function progressTo(say: Say): (progress: PullProgress) => void {
  const summary = new PullSummary();
  return (progress) => {
    const line = summary.line(progress);
    if (line) say(line, true);
  };
}

/** An error that prevents the build is a reason, too: the build reports it again. */
async function reasonToBuild(ask: () => Promise<string | undefined>): Promise<string | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof BayError) return `the build would fail: ${error.message.split("\n")[0]}`;
    throw error;
  }
}
