/** Values in stack files that may be secrets, and that publishing would show to everybody with access to the registry. */
import { redacted } from "../../../core/redaction.ts";
import { interpolate, isMapping, toMapping } from "../../../stack/index.ts";

/** Paths of the values, in the stack as it is written: with the services of all profiles, and without values of variables. */
export function writtenSecrets(raw: unknown): string[] {
  if (!isMapping(raw)) return [];
  const found: string[] = [];
  const look = (at: string, field: string, given: unknown) => {
    for (const [name, value] of Object.entries(toMapping(given)))
      if (maySecret(field, name, value)) found.push(`${at}.${name}`);
  };
  for (const section of ["services", "networks", "volumes", "secrets", "configs"])
    for (const [name, given] of Object.entries(mappingOf(raw[section]))) {
      const { environment, labels, annotations, build, deploy, content, driver_opts } = mappingOf(given);
      const at = `${section}.${name}`;
      look(`${at}.labels`, "labels", labels);
      look(`${at}.driver_opts`, "args", driver_opts);
      if (section === "services") {
        look(`${at}.environment`, "environment", environment);
        look(`${at}.annotations`, "labels", annotations);
        look(`${at}.build.args`, "args", mappingOf(build).args);
        look(`${at}.build.labels`, "labels", mappingOf(build).labels);
        look(`${at}.deploy.labels`, "labels", mappingOf(deploy).labels);
      }
      // the content of a secret is one, whatever its name is
      if (section === "secrets" && literalOf(content) !== "") found.push(`${at}.content`);
      if (section === "configs" && hasSecretLine(name, content)) found.push(`${at}.content`);
    }
  return found;
}

const mappingOf = (value: unknown): Record<string, unknown> => (isMapping(value) ? value : {});

/**
 * What a text has itself, without the values of its variables: the defaults of `${X:-text}` and the alternatives of `${X:+text}`
 * are written in the file.
 */
export function literalOf(given: unknown): string {
  if (given === undefined || given === null) return "";
  const alternatives: string[] = [];
  const text = interpolate(
    String(given),
    () => undefined,
    () => {},
    ({ alternate }) => void (alternate && alternatives.push(literalOf(alternate))),
  );
  return text + alternatives.join("");
}

function maySecret(field: string, name: string, value: unknown): boolean {
  const literal = literalOf(value);
  return literal !== "" && redacted(field, name, literal) !== literal;
}

/** Whether a config of this name, or a line such as `password: text` of it, may have a secret. */
function hasSecretLine(config: string, content: unknown): boolean {
  if (maySecret("args", config, content)) return true;
  return String(content ?? "")
    .split("\n")
    .some((line) => {
      const [, name = "", value = ""] = /^([^:=]*)[:=](.*)$/.exec(line) ?? [];
      return maySecret("args", name, value.replace(/["',;\s]/g, "")) || maySecret("", "", line);
    });
}
