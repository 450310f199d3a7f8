/** `volumes_from` of services: the binds and named volumes of another service, where a service has nothing itself (Compose specification, 05-services.md). */
import type { ReportAt } from "./check.ts";
import type { FileInput } from "./schema.ts";
import type { Service, ServiceMount } from "./stack.ts";

interface Source {
  service: string;
  isReadOnly: boolean;
}

/** `SERVICE`, `SERVICE:ro`; another form is given as it is, and is then no service. */
export function readVolumesFrom(given: readonly string[] | undefined): Source[] {
  return (given ?? []).map((text) => {
    const [, service = text, mode] = /^([^:]+)(?::(ro|rw))?$/.exec(text) ?? [];
    return { service, isReadOnly: mode === "ro" };
  });
}

/** The services with the mounts that they inherit. A circle is one of dependencies too, and reported as that. */
export function inheritMounts(
  services: Readonly<Record<string, Service>>,
  input: FileInput,
  report: ReportAt,
): Record<string, Service> {
  const done = new Map<string, ServiceMount[]>();
  const mountsOf = (name: string): ServiceMount[] => {
    const known = done.get(name);
    if (known) return known;
    const own = services[name]?.mounts ?? [];
    done.set(name, own); // what is in a circle has its own alone
    const mounts = [...own];
    readVolumesFrom(input.services?.[name]?.volumes_from).forEach((source, index) => {
      for (const mount of mountsOf(source.service)) {
        if (mount.type === "tmpfs" || mounts.some(({ target }) => target === mount.target)) continue;
        if (mount.type === "volume" && mount.source === "") tell(report, name, index, source.service, mount);
        mounts.push(source.isReadOnly ? { ...mount, readOnly: true } : mount);
      }
    });
    done.set(name, mounts);
    return mounts;
  };
  return Object.fromEntries(
    Object.entries(services).map(([name, service]) => [name, { ...service, mounts: mountsOf(name) }]),
  );
}

function tell(report: ReportAt, name: string, index: number, other: string, { target }: ServiceMount): void {
  report(["services", name, "volumes_from", index], {
    severity: "error",
    code: "BAD_VALUE",
    message: `services.${name}.volumes_from: the volume of ${other} at ${target} has no name to share it by`,
    hint: `write NAME:${target} in ${other}, and NAME under volumes:`,
  });
}
