/** `bay lint`: reports bad practice in a stack's files. */
import type { Context } from "../../context.ts";
import { print, printJson } from "../../ui/output.ts";

/** Returns 1 if a rule finds something. Throws `StackError` if the stack does not load. */
export async function lint(
  context: Context,
  services: string[],
  options: { json?: boolean; rules?: boolean },
): Promise<number> {
  if (options.rules) {
    const { RULES } = await import("../../../stack/lint/rules.ts");
    const { table } = await import("../../ui/output.ts");
    print(
      table(
        ["RULE", "DESCRIPTION"],
        Object.entries(RULES).map(([name, { asks }]) => [name, asks]),
      ),
    );
    return 0;
  }
  const [{ readMerged }, { lintStack }, { formatDiagnostics, loadStack, serviceOf }] = await Promise.all([
    import("../../../stack/files/merge-files.ts"),
    import("../../../stack/lint/lint.ts"),
    import("../../../stack/index.ts"),
  ]);
  const { merged, stack } = await context.load(context.loadOptions(services), (request) => {
    const own = readMerged(request);
    return { merged: own, stack: loadStack(request, own).stack };
  });
  for (const name of services) serviceOf(stack, name);
  const found = lintStack(stack, merged, services);
  if (options.json) printJson(found);
  else if (found.length === 0) print("no problems found");
  else
    print(
      formatDiagnostics(
        found.map((each) => ({ ...each, message: `${each.message} (${each.code})` })),
        merged.sources,
      ).join("\n\n"),
    );
  return found.length > 0 ? 1 : 0;
}
