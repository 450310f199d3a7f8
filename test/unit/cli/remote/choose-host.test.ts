import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Choice, chooseHost, type HostOptions } from "../../../../src/cli/remote/choose-host.ts";

const contexts =
  (inUse = "default", ...names: string[]) =>
  () => ({
    inUse: () => inUse,
    has: (name: string) => names.includes(name),
  });
const SSH = "ssh://root@server";

/** The places that can name a bayd, in the order in which they count. */
const PLACES: { options?: HostOptions; environment?: NodeJS.ProcessEnv; from: string }[] = [
  { options: { host: SSH }, from: "--host" },
  { environment: { BAY_HOST: SSH }, from: "BAY_HOST" },
  { environment: { BAY_CONTEXT: "one" }, from: "BAY_CONTEXT" },
  { environment: { DOCKER_HOST: SSH }, from: "DOCKER_HOST" },
  { environment: { DOCKER_CONTEXT: "two" }, from: "DOCKER_CONTEXT" },
];

describe("the choice of a bayd", () => {
  it("is the first of the places that are set", () => {
    fc.assert(
      fc.property(fc.subarray(PLACES), fc.boolean(), (set, isInUse) => {
        const options = Object.assign({}, ...set.map((each) => each.options)) as HostOptions;
        const environment = Object.assign({}, ...set.map((each) => each.environment)) as NodeJS.ProcessEnv;
        const choice = chooseHost(
          options,
          environment,
          contexts(isInUse ? "three" : "default", "one", "two"),
        );
        const expected =
          PLACES.find((each) => set.includes(each))?.from ?? (isInUse ? "bay context use" : undefined);
        expect(choice.kind === "own" ? undefined : choice.from).toBe(expected);
      }),
    );
  });

  it("is that of --context over everything but --host, which contradicts it", () => {
    const environment = { BAY_HOST: SSH, DOCKER_HOST: SSH };
    expect(chooseHost({ context: "one" }, environment, contexts())).toEqual({
      kind: "context",
      name: "one",
      from: "--context",
    });
    expect(chooseHost({ context: "default" }, environment, contexts("three"))).toEqual({ kind: "own" });
    expect(() => chooseHost({ context: "one", host: SSH }, {}, contexts())).toThrowError(
      expect.objectContaining({ code: "BAD_OPTION" }),
    );
  });

  const own: Choice = { kind: "own" };

  it.each([
    "unix:///var/run/docker.sock",
    "unix:///run/user/1000/docker.sock",
    "unix:///run/podman/podman.sock",
    "UNIX:///var/run/docker.sock",
    "fd://",
    "npipe:////./pipe/docker_engine",
  ])("leaves DOCKER_HOST=%s to the engine that it belongs to", (DOCKER_HOST) => {
    expect(chooseHost({}, { DOCKER_HOST }, contexts())).toEqual(own);
  });

  it("follows DOCKER_HOST to bayd's socket, and BAY_HOST to any", () => {
    const address = "unix:///run/bay/bay.sock";
    expect(chooseHost({}, { DOCKER_HOST: address }, contexts())).toMatchObject({
      address,
      from: "DOCKER_HOST",
    });
    const other = "unix:///var/run/docker.sock";
    expect(chooseHost({}, { BAY_HOST: other }, contexts())).toMatchObject({
      address: other,
      from: "BAY_HOST",
    });
  });

  it("leaves a context of Docker's to Docker", () => {
    expect(chooseHost({}, { DOCKER_CONTEXT: "desktop-linux" }, contexts())).toEqual(own);
    expect(chooseHost({}, { DOCKER_CONTEXT: "default" }, contexts("three"))).toEqual(own);
  });

  it("does not take an empty variable for an address", () => {
    const empty = { BAY_HOST: "", BAY_CONTEXT: "", DOCKER_HOST: "", DOCKER_CONTEXT: "" };
    expect(chooseHost({}, empty, contexts())).toEqual(own);
  });
});
