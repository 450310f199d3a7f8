/** Parts of a file that only services of disabled profiles use. As in Compose, they are checked for their shape only. */
import type { FileInput, ServiceInput } from "../schema/schema.ts";

// not images: a Dockerfile can use one of the file, too
const PARTS = ["networks", "volumes", "secrets", "configs"] as const;
type Part = (typeof PARTS)[number];

/** Whether a part of the file is used, and only by services in `disabled`. A part that no service uses is not among them. */
export function usedByNoneBut(
  { services = {} }: FileInput,
  disabled: ReadonlySet<string>,
): (kind: string, name: string) => boolean {
  const users = new Map<string, boolean>();
  for (const [service, input] of Object.entries(services)) {
    const isOff = disabled.has(service);
    for (const kind of PARTS)
      for (const name of namesUsed(kind, input)) {
        const part = `${kind} ${name}`;
        users.set(part, isOff && (users.get(part) ?? true));
      }
  }
  return (kind, name) => users.get(`${kind} ${name}`) ?? false;
}

/** Names of the parts of a kind that the service refers to. */
function namesUsed(
  kind: Part,
  { networks, network_mode, volumes, secrets, configs, build }: ServiceInput,
): string[] {
  switch (kind) {
    case "networks": {
      const names = Array.isArray(networks) ? networks.map(String) : Object.keys(networks ?? {});
      return [...(names.length > 0 ? names : ["default"]), network_mode ?? ""];
    }
    case "volumes":
      return (volumes ?? []).map((mount) =>
        typeof mount === "string" ? mount.split(":", 1)[0]! : (mount.source ?? ""),
      );
    case "secrets": {
      const forBuild = typeof build === "object" ? (build.secrets ?? []) : [];
      return [...(secrets ?? []), ...forBuild].map(sourceOf);
    }
    case "configs":
      return (configs ?? []).map(sourceOf);
  }
}

const sourceOf = (use: string | { source: string }) => (typeof use === "string" ? use : use.source);
