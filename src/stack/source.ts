/** One stack file as text and YAML nodes: parsing, interpolation in place, and places of paths for errors. */
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
} from "yaml";
import type { Diagnostic, Place } from "../diagnostics.ts";
import { interpolate, type Variables } from "./interpolate.ts";

const MAX_FILE = 4 << 20;
const MAX_ALIASES = 100;

export class SourceFile {
  readonly #lines = new LineCounter();
  readonly #document: Document.Parsed;

  constructor(
    readonly file: string,
    readonly text: string,
    readonly report: (diagnostic: Diagnostic) => void,
  ) {
    const isTooLarge = text.length > MAX_FILE;
    this.#document = parseDocument(isTooLarge ? "" : text, {
      lineCounter: this.#lines,
      merge: true,
      prettyErrors: false,
    });
    if (isTooLarge) {
      report({
        severity: "error",
        code: "FILE_TOO_LARGE",
        message: `the file has ${text.length} bytes; ${MAX_FILE} at most`,
        place: { file, line: 1, column: 1, length: 1 },
      });
    }
    this.#reportTags();
    // the ones behind the first mostly follow from it
    for (const error of this.#document.errors.slice(0, 1)) {
      report({
        severity: "error",
        code: error.code,
        message: error.message.split("\n")[0]!,
        place: this.#place(error.pos[0], error.pos[1]),
      });
    }
  }

  /** Tags such as !reset: what they mean in Compose is not done, so they must not pass for their bare values. */
  #reportTags(): void {
    for (const warning of this.#document.warnings) {
      if (warning.code !== "TAG_RESOLVE_FAILED") continue;
      const tag = /(![\w!]*)/.exec(warning.message)?.[1] ?? "";
      this.report({
        severity: "error",
        code: "UNSUPPORTED_TAG",
        message: `the tag ${tag} is not supported yet`,
        place: this.#place(warning.pos[0], warning.pos[1]),
      });
    }
  }

  get hasSyntaxErrors(): boolean {
    return this.#document.errors.length > 0;
  }

  #place(start: number, end: number): Place {
    const { line, col } = this.#lines.linePos(start);
    return {
      file: this.file,
      line: Math.max(1, line),
      column: Math.max(1, col),
      length: Math.max(1, end - start),
    };
  }

  /** Replaces variables in every string of the file, keys excepted. */
  interpolate(variables: Variables): void {
    const unset = new Set<string>();
    visit(this.#document, {
      Scalar: (key, node) => {
        // YAML 1.1, as Compose reads it: 0700 is octal
        if (typeof node.value === "number" && /^0[0-7]+$/.test(node.source ?? ""))
          node.value = Number.parseInt(node.source!, 8);
        if (key === "key" || typeof node.value !== "string" || !node.value.includes("$")) return;
        const place = node.range ? this.#place(node.range[0], node.range[1]) : undefined;
        node.value = interpolate(node.value, variables, (problem) => {
          if (problem.kind === "unset") {
            if (unset.has(problem.name!)) return;
            unset.add(problem.name!);
          }
          this.report({
            severity: problem.kind === "error" ? "error" : "warning",
            code: problem.kind === "error" ? "INTERPOLATION" : "UNSET_VARIABLE",
            message: problem.message,
            ...(place ? { place } : {}),
          });
        });
      },
    });
  }

  /** The file's content as plain values; undefined where it cannot be had, which is reported. */
  toValue(): unknown {
    try {
      return this.#document.toJS({ maxAliasCount: MAX_ALIASES });
    } catch (error) {
      const isBomb = error instanceof ReferenceError;
      this.report({
        severity: "error",
        code: "YAML",
        message: isBomb ? "the file's aliases expand to too much" : (error as Error).message,
        place: { file: this.file, line: 1, column: 1, length: 1 },
      });
      return undefined;
    }
  }

  /** Where a path stands: the deepest part of it that this file has. `depth` tells how much of it that is. */
  locate(path: readonly (string | number)[], atKey = false): { place: Place; depth: number } | undefined {
    let node: unknown = this.#document.contents;
    let range = isNode(node) ? node.range : undefined;
    let depth = 0;
    for (const step of path) {
      if (isAlias(node)) node = node.resolve(this.#document);
      if (isMap(node)) {
        const pair = node.items.find(
          (item) => String(isScalar(item.key) ? item.key.value : item.key) === String(step),
        );
        if (!pair) break;
        depth += 1;
        const isLast = depth === path.length;
        const target = (isLast && atKey) || !isNode(pair.value) ? pair.key : pair.value;
        range = isNode(target) ? target.range : range;
        node = pair.value;
      } else if (isSeq(node)) {
        const item = node.items[Number(step)];
        if (!isNode(item)) break;
        depth += 1;
        range = item.range;
        node = item;
      } else break;
    }
    if (!range) return undefined;
    const end = Math.min(
      range[1],
      this.text.indexOf("\n", range[0]) === -1 ? range[1] : this.text.indexOf("\n", range[0]),
    );
    return { place: this.#place(range[0], end), depth };
  }
}
