/** Replaces the paths of env files in the text of a stack file, and leaves everything else as it is written. */
import { isMap, isScalar, isSeq, parseAllDocuments, type Scalar } from "yaml";

/** `replace` gets each path, and returns the new one. */
export function withEnvFiles(text: string, replace: (path: string) => string): string {
  const changes: { start: number; end: number; to: string }[] = [];
  const note = (node: unknown) => {
    if (!isScalar(node) || typeof node.value !== "string") return;
    const [start, end] = (node as Scalar).range!;
    changes.push({ start, end, to: JSON.stringify(replace(node.value)) });
  };
  for (const document of parseAllDocuments(text)) {
    const services = "contents" in document ? document.get("services") : undefined;
    if (!isMap(services)) continue;
    for (const { value: service } of services.items) {
      const given = isMap(service) ? service.get("env_file", true) : undefined;
      for (const entry of isSeq(given) ? given.items : [given])
        note(isMap(entry) ? entry.get("path", true) : entry);
    }
  }
  return changes
    .sort((a, b) => b.start - a.start)
    .reduce((all, { start, end, to }) => all.slice(0, start) + to + all.slice(end), text);
}
