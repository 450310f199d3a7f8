/** Newer images in the text of a stack file. Pure; it runs in the reader's process, because the text is untrusted. */
import { isMap, isScalar, parseAllDocuments, type Scalar } from "yaml";
import type { ImageOverride } from "../model/status.ts";

/**
 * A stack file with newer images; nothing else of its text changes. `found` gets the services that it has. An image that is
 * not written as plain or quoted text on one line is not changed.
 */
export function withImages(text: string, changes: readonly ImageOverride[], found: Set<string>): string {
  const edits: { start: number; end: number; to: string }[] = [];
  for (const document of parseAllDocuments(text)) {
    const services = "contents" in document ? document.get("services") : undefined;
    if (!isMap(services)) continue;
    for (const { service, from, to } of changes) {
      const own = services.get(service);
      const image = isMap(own) ? own.get("image", true) : undefined;
      if (!isScalar(image) || image.value !== from) continue;
      const [start, end] = (image as Scalar).range!;
      const quote = ["", '"', "'"].find((each) => text.slice(start, end) === each + from + each);
      if (quote === undefined) continue;
      edits.push({ start, end, to: `${quote}${to}${quote}` });
      found.add(service);
    }
  }
  return edits
    .sort((a, b) => b.start - a.start)
    .reduce((all, { start, end, to }) => all.slice(0, start) + to + all.slice(end), text);
}
