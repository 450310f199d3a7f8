/** The images of a plan: made, built or pulled before the containers that need them. Pure. */
import { BayError } from "../../core/errors.ts";
import { buildsNeeding, type PeerImage, type PullPolicy, type Service } from "../../stack/index.ts";
import { mountedImages } from "../decide/desired.ts";
import type { ActualImage } from "../model/actual.ts";
import { say } from "../model/step.ts";
import type { Draft } from "./draft.ts";

export class ImagePlan {
  /** Steps that make a missing or a different image, by the image's name. */
  readonly #made = new Map<string, string>();
  /** Pulls and builds, including those that may leave the image unchanged. */
  readonly #pulls = new Map<string, string>();

  constructor(readonly draft: Draft) {}

  /** Adds the steps for the images that services run and mount. An image that cannot be had is a refusal. */
  add(services: readonly Service[]): void {
    const { attempt } = this.draft.refusals;
    for (const service of services) {
      attempt(() => this.#plan(service), undefined);
      for (const image of mountedImages(service)) attempt(() => this.#planMounted(service, image), undefined);
    }
  }

  /** The steps that make the images that a service runs and mounts. */
  stepsOf(service: Service): { image: string; step: string }[] {
    return [...new Set([service.image, ...mountedImages(service)])].flatMap((image) => {
      const step = this.#made.get(image);
      return step ? [{ image, step }] : [];
    });
  }

  #plan(service: Service): void {
    const { image } = service;
    const known = this.draft.actual.images[image];
    const peer = this.draft.stack.peerImages?.[image];
    if (peer) return this.#planFetch(image, peer, known);
    const definition = this.draft.stack.images[image];
    if (!definition && service.build) return this.#planBuild(service, known);
    if (!definition) return this.#planPull(service, known);
    if (this.#made.has(image)) return;
    const reason = known ? known.stale : "not created yet";
    if (reason)
      this.#made.set(image, this.draft.add({ kind: "image.make", name: image, reasons: [say(reason)] }));
  }

  /** An image that a service mounts is made like one that a service runs. */
  #planMounted(service: Service, image: string): void {
    const builder = Object.values(this.draft.stack.services).find(
      (other) => other.image === image && other.build,
    );
    this.#plan(builder ?? { ...service, image, build: undefined });
  }

  /** An image that no registry has comes from another host, unless this host has the same one. */
  #planFetch(image: string, { from, known: wanted }: PeerImage, known: ActualImage | undefined): void {
    if (this.#made.has(image) || (known && known.id === wanted?.id)) return;
    const why = known ? `it differs from the one on host ${from}` : `from host ${from}, no registry has it`;
    this.#made.set(image, this.draft.add({ kind: "image.fetch", name: image, reasons: [say(why)] }));
  }

  /** Plans a build if the image is missing or outdated, or if the user or its pull_policy asks for one. */
  #planBuild({ name: service, image, pullPolicy }: Service, known: ActualImage | undefined): void {
    const { build } = this.draft.options;
    const others = [...buildsNeeding(this.draft.stack, service)].map(
      (name) => this.draft.stack.services[name]!,
    );
    if (!known && build === false)
      throw new BayError("IMAGE_NOT_FOUND", `service ${service}: the image ${image} is not built`, {
        hint: `bay build ${service}`,
      });
    const isWanted = build === true || (build === undefined && pullPolicy.when === "build");
    const asked = build ? "--build" : "pull_policy: build";
    const stale = build === false ? undefined : (known?.stale ?? this.#staleBase(others));
    const reason = !known ? "not built yet" : (stale ?? (isWanted ? asked : undefined));
    if (!reason || this.#pulls.has(image)) return;
    // base images come first, even if their service was not requested
    for (const other of others) this.#plan(other);
    const after = others.flatMap(
      (other) => this.#pulls.get(other.image) ?? this.#made.get(other.image) ?? [],
    );
    const id = this.draft.add({ kind: "image.build", name: image, service, reasons: [say(reason)], after });
    this.#pulls.set(image, id);
    // a requested build may make the same image, so the steps that follow are planned after it
    if (!known || stale) this.#made.set(image, id);
  }

  /** Images built on another service's image are rebuilt with it. */
  #staleBase(others: readonly Service[]): string | undefined {
    const stale = others.find(({ image }) => this.draft.actual.images[image]?.stale);
    return stale && `its base image ${stale.image} is rebuilt`;
  }

  /** A pull of an existing image may change nothing, so the steps that follow are planned after it. */
  #planPull({ name: service, image, pullPolicy }: Service, known: ActualImage | undefined): void {
    const policy: PullPolicy = this.draft.options.pull ? { when: this.draft.options.pull } : pullPolicy;
    if (!known && policy.when === "never")
      throw new BayError("IMAGE_NOT_FOUND", `service ${service}: the image ${image} is not on this host`, {
        hint: `bay pull ${service}, or define it under images:`,
      });
    const reason = pullReason(policy, known, this.draft.actual.now);
    if (!reason || this.#pulls.has(image)) return;
    const id = this.draft.add({ kind: "image.pull", name: image, reasons: [say(reason)] });
    this.#pulls.set(image, id);
    if (!known) this.#made.set(image, id);
  }
}

/** Why an image of a registry is pulled now; undefined if it is not. */
function pullReason(policy: PullPolicy, known: ActualImage | undefined, now: number): string | undefined {
  if (!known) return "not on this host";
  if (policy.when === "always") return "pull_policy: always";
  if (policy.when !== "refresh") return undefined;
  const age = now - Date.parse(known.pulledAt ?? "1970-01-01");
  return age > policy.afterMs ? `pulled ${Math.round(age / 60_000)} minutes ago` : undefined;
}
