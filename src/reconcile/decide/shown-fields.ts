/** Values of a container's configuration as plans show them. */
import type { ContainerConfig, HookConfig } from "../../container/index.ts";
import type { Shown } from "./fields.ts";

export const showLogOptions = (options: ContainerConfig["log"]["options"] = {}) =>
  Object.entries(options)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`);

/** The content of a secret is not shown, and neither is its digest, by which it could be guessed. */
export function showFiles(
  { files = [], user }: ContainerConfig,
  kind: "secret" | "config",
): Record<string, string> {
  const own = files.filter((file) => file.kind === kind);
  // earlier versions recorded no owner and wrote files as root's: for a container of root nothing has changed
  const owner = /^(0|root)?(:(0|root)?)?$/.test(user) ? "0" : "user";
  return Object.fromEntries(
    own.map(({ name, target, digest, uid = owner, gid = owner, mode }) => [
      target,
      `${name} ${digest.slice(0, 12)} ${uid}:${gid} 0${mode.toString(8)}`,
    ]),
  );
}

export function shortDigest(id: string): string {
  return id.replace(/^sha256:/, "").slice(0, 12);
}

export function showMount(mount: ContainerConfig["mounts"][number]): string {
  if (mount.type === "tmpfs") return ["tmpfs", ...mount.options].join(" ");
  const source = mount.source || "(anonymous)";
  const options = [
    mount.type !== "image" && mount.readOnly ? "ro" : "",
    mount.type === "volume" && mount.noCopy ? "nocopy" : "",
    mount.type === "image" ? shortDigest(mount.imageId) : "",
    mount.type !== "bind" && mount.subpath ? `subpath ${mount.subpath}` : "",
    mount.type === "volume" && mount.device ? `at ${mount.device}` : "",
    mount.type === "bind" && !mount.recursive ? "non-recursive" : "",
    mount.type === "bind" && mount.propagation ? mount.propagation : "",
    mount.type !== "image" && mount.selinux ? mount.selinux : "",
  ];
  return [mount.type, source, ...options.filter(Boolean)].join(" ");
}

export function showPort({
  hostAddress,
  hostPort,
  hostPortEnd,
  containerPort,
  protocol,
}: ContainerConfig["ports"][number]): string {
  return `${hostAddress ? `${hostAddress}:` : ""}${hostPort ?? ""}${hostPortEnd ? `-${hostPortEnd}` : ""}:${containerPort}${protocol === "tcp" ? "" : "/udp"}`;
}

/** Variables by name only: their values may be secret. */
export function showHooks(hooks: readonly HookConfig[]): string {
  return hooks
    .map(({ args, user, workdir, privileged, env }) =>
      [
        JSON.stringify(args),
        user && `as ${user}`,
        workdir && `in ${workdir}`,
        privileged && "privileged",
        env.length > 0 && `with ${env.map((entry) => entry.split("=", 1)[0]).join(", ")}`,
      ]
        .filter(Boolean)
        .join(" "),
    )
    .join("; ");
}

/** `db:service_healthy:false,…`, the format of Compose's label. */
export function showDependencies(label: string | undefined): Record<string, Shown> {
  return Object.fromEntries(
    (label ?? "").split(",").flatMap((entry) => {
      const [name = "", condition = "", restart] = entry.split(":");
      return name === "" ? [] : [[name, condition + (restart === "true" ? ", restart" : "")]];
    }),
  );
}

export function healthParts(health: NonNullable<ContainerConfig["health"]>): Record<string, Shown> {
  const seconds = (milliseconds: number) => `${milliseconds / 1000}s`;
  return {
    test: JSON.stringify(health.test),
    interval: seconds(health.intervalMs),
    timeout: seconds(health.timeoutMs),
    retries: String(health.retries),
    start_period: seconds(health.startPeriodMs),
    start_interval: seconds(health.startIntervalMs),
  };
}

export const showNumber = (value: number | undefined) => (value ? String(value) : undefined);

/** 64m, 1g, 1500 — the shortest exact form. */
export function showBytes(value: number | undefined): string | undefined {
  if (!value) return undefined;
  for (const [unit, size] of [
    ["g", 1024 ** 3],
    ["m", 1024 ** 2],
    ["k", 1024],
  ] as const)
    if (value % size === 0) return `${value / size}${unit}`;
  return String(value);
}
