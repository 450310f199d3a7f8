/** A top-level secret: a file's content, or a variable's. */
import { resolve } from "node:path";
import type { FileInput } from "./schema.ts";
import type { ServiceContext } from "./service-reader.ts";
import { truth } from "./service-reader.ts";
import type { StackSecret } from "./stack.ts";

type Input = NonNullable<FileInput["secrets"]>[string];

/** Problems are reported; the result is used only where there are none. */
export function readSecret(
  name: string,
  input: Input,
  { directory, variables, report }: ServiceContext,
): StackSecret {
  const bad = (message: string, hint?: string) =>
    report(["secrets", name], {
      severity: "error",
      code: "BAD_VALUE",
      message: `secrets.${name}: ${message}`,
      ...(hint ? { hint } : {}),
    });
  const { file, environment } = input;
  if (truth(input.external)) bad("external secrets need a store of secrets, which bay does not have");
  else if ((file === undefined) === (environment === undefined))
    bad("a secret comes from one of file and environment");
  return environment === undefined
    ? { file: resolve(directory, file ?? "") }
    : { environment, value: variables(environment) };
}
