/** What an image is made from and this host does not have. Reads names and kinds of files only. */
import { lstatSync, statSync } from "node:fs";
import { entryProblems } from "./host/collect.ts";
import type { ImageSource } from "./source.ts";

type WithoutConfig<T> = T extends unknown ? Omit<T, "base" | "config"> : never;

/** One line for each file, folder or command that does not exist; the files' contents are not checked. */
export function sourceProblems(source: WithoutConfig<ImageSource>, base: string): string[] {
  switch (source.kind) {
    case "host":
      return entryProblems(source.entries, base);
    case "rootfs":
      return lstatSync(source.path, { throwIfNoEntry: false })
        ? []
        : [`the rootfs ${source.path} does not exist`];
    case "archive":
      return statSync(source.path, { throwIfNoEntry: false })
        ? []
        : [`the archive ${source.path} does not exist`];
    case "apt":
      return [];
  }
}
