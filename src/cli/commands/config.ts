import type { Context } from "../context.ts";
import { print, printJson } from "../ui/output.ts";

interface ConfigOptions {
  quiet?: boolean;
  format: string;
  json?: boolean;
  services?: boolean;
  images?: boolean;
  volumes?: boolean;
  networks?: boolean;
}

/** Checks the file and shows the normalised stack; names of services show only those; `schema` prints the JSON Schema instead. */
export async function config(context: Context, names: string[], options: ConfigOptions): Promise<void> {
  if (names[0] === "schema") {
    const { jsonSchema } = await import("../../stack/json-schema.ts");
    return printJson(jsonSchema());
  }
  const stack = await context.stack(names);
  if (names.length > 0) {
    const { serviceOf } = await import("../../stack/loaded.ts");
    for (const name of names) serviceOf(stack, name);
  }
  if (names.length > 0)
    stack.services = Object.fromEntries(
      Object.entries(stack.services).filter(([name]) => names.includes(name)),
    );
  if (options.quiet) return;
  if (options.services) return print(Object.keys(stack.services).join("\n"));
  if (options.images)
    return print([...new Set(Object.values(stack.services).map(({ image }) => image))].join("\n"));
  if (options.volumes) return print(Object.keys(stack.volumes).join("\n"));
  if (options.networks) return print(Object.keys(stack.networks).join("\n"));
  const { toCompose } = await import("../../stack/canonical.ts");
  const compose = toCompose(stack);
  if (options.json || options.format === "json") return printJson(compose);
  const { toYaml } = await import("../ui/yaml.ts");
  print(toYaml(compose));
}
