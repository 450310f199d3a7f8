/** Builds several services concurrently: each after its base images. If one fails, the others are interrupted. */
import type { BuildNews } from "../../../build/index.ts";
import { buildsNeeding, type Stack } from "../../../stack/index.ts";

type Tell = (news: BuildNews) => void;

/**
 * Calls `build` with the callback for news and the abort signal. Throws the error of the first that fails, after all have
 * ended.
 */
export async function buildServices(
  services: readonly string[],
  stack: Stack,
  tell: Tell,
  signal: AbortSignal,
  build: (service: string, tell: Tell, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const failure = new AbortController();
  const either = AbortSignal.any([signal, failure.signal]);
  const running = new Map<string, Promise<void>>();
  const numbers = new StepNumbers();
  const start = (service: string): Promise<void> => {
    const known = running.get(service);
    if (known) return known;
    const needed = [...buildsNeeding(stack, service)].filter((other) => services.includes(other));
    const tellOfIt = services.length === 1 ? tell : (news: BuildNews) => tell(numbers.named(service, news));
    const task = Promise.all(needed.map(start)).then(() => build(service, tellOfIt, either));
    running.set(service, task);
    task.catch(() => failure.abort());
    return task;
  };
  const results = await Promise.allSettled(services.map(start));
  const failed = results.filter((result) => result.status === "rejected");
  // a build interrupted by the failure of another reports no error
  const cause = failed.find(({ reason }) => reason.code !== "ABORTED") ?? failed[0];
  if (cause) throw cause.reason;
}

/** Assigns numbers to steps that are unique across the services. */
class StepNumbers {
  readonly #known = new Map<string, number>();

  named(service: string, news: BuildNews): BuildNews {
    if (news.step < 0) return news;
    const key = `${service} ${news.step}`;
    const step = this.#known.get(key) ?? this.#known.size;
    this.#known.set(key, step);
    return { ...news, step, title: news.title.replace(/^\[/, `[${service} `) };
  }
}
