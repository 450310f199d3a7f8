/** A top-level image of bay: its source and its config. */
import { resolve } from "node:path";
import type { ReportAt } from "../check/check.ts";
import { toMapping } from "../files/merge.ts";
import type { StackImage } from "../model/stack.ts";
import type { ImageInput } from "../schema/schema.ts";
import { readHealthcheck } from "./healthcheck.ts";
import { strings, textMap } from "./service-reader.ts";

/** Problems are reported; the result is used only if there are none. */
export function readImage(name: string, image: ImageInput, directory: string, report: ReportAt): StackImage {
  const kinds = (["host", "rootfs", "archive", "apt"] as const).filter((kind) => image[kind] !== undefined);
  if (kinds.length !== 1) {
    report(["images", name], {
      severity: "error",
      code: "BAD_VALUE",
      message: `images.${name}: set exactly one of host, rootfs, archive and apt`,
    });
  }
  const nanoseconds = (milliseconds: number | undefined) =>
    milliseconds === undefined ? undefined : milliseconds * 1e6;
  const given = oneSpelling(name, image.config ?? {}, report);
  const health = given.healthcheck
    ? readHealthcheck(given.healthcheck, (path, message) =>
        report(["images", name, "config", "healthcheck", ...path], {
          severity: "error",
          code: "BAD_VALUE",
          message: `images.${name}.config.healthcheck.${path.join(".")}: ${message}`,
        }),
      )
    : undefined;
  const config: StackImage["config"] = {
    ...(given.entrypoint === undefined ? {} : { Entrypoint: strings(given.entrypoint) }),
    ...(given.command === undefined ? {} : { Cmd: strings(given.command) }),
    ...(given.environment === undefined
      ? {}
      : { Env: Object.entries(toMapping(given.environment)).map(([key, value]) => `${key}=${value ?? ""}`) }),
    ...(given.working_dir === undefined ? {} : { WorkingDir: given.working_dir }),
    ...(given.user === undefined ? {} : { User: String(given.user) }),
    ...(given.expose === undefined
      ? {}
      : {
          ExposedPorts: Object.fromEntries(
            given.expose.map((port) => [/\//.test(String(port)) ? String(port) : `${port}/tcp`, {}]),
          ),
        }),
    ...(given.volumes === undefined
      ? {}
      : { Volumes: Object.fromEntries(given.volumes.map((path) => [path, {}])) }),
    ...(given.labels === undefined ? {} : { Labels: textMap(given.labels) }),
    ...(given.stop_signal === undefined ? {} : { StopSignal: String(given.stop_signal) }),
    ...(health
      ? {
          Healthcheck: {
            Test: health.test,
            Interval: nanoseconds(health.intervalMs),
            Timeout: nanoseconds(health.timeoutMs),
            StartPeriod: nanoseconds(health.startPeriodMs),
            StartInterval: nanoseconds(health.startIntervalMs),
            Retries: health.retries,
          },
        }
      : {}),
  };
  return { source: imageSource(image, directory), base: directory, config };
}

type GivenConfig = NonNullable<ImageInput["config"]>;

const SHORT = { cmd: "command", env: "environment", ports: "expose" } as const;

/** Some keys can be written as in a Dockerfile or as in a service, but not both. */
function oneSpelling(name: string, given: GivenConfig, report: ReportAt): GivenConfig {
  for (const [short, long] of Object.entries(SHORT) as [keyof typeof SHORT, keyof GivenConfig][])
    if (given[short] !== undefined && given[long] !== undefined)
      report(["images", name, "config", short], {
        severity: "error",
        code: "BAD_VALUE",
        message: `images.${name}.config: ${short} and ${long} are the same; use one of them`,
      });
  const { cmd, env, ports, ...rest } = given;
  return {
    ...rest,
    command: given.command ?? cmd,
    environment: given.environment ?? env,
    expose: given.expose ?? ports,
  };
}

function imageSource(image: ImageInput, directory: string): StackImage["source"] {
  if (image.archive !== undefined) {
    const archive = typeof image.archive === "string" ? { path: image.archive } : image.archive;
    return {
      kind: "archive",
      path: resolve(directory, archive.path),
      reference: "reference" in archive ? archive.reference : undefined,
    };
  }
  if (image.rootfs !== undefined) return { kind: "rootfs", path: resolve(directory, image.rootfs) };
  if (image.apt) {
    const { suite, components = ["main"], packages, mirror, snapshot, keep = [] } = image.apt;
    return { kind: "apt", suite, components, packages: [...packages].sort(), mirror, snapshot, keep };
  }
  const host = image.host ?? [];
  if (Array.isArray(host)) return { kind: "host", entries: host, users: [] };
  return {
    kind: "host",
    entries: [...(host.commands ?? []), ...(host.files ?? [])],
    users: host.users ?? [],
  };
}
