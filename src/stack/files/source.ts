/** One stack file as text and YAML nodes: parsing, interpolation in place, and places of paths for errors. */

import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseAllDocuments,
  type Scalar,
  visit,
  type visitor,
  type YAMLMap,
} from "yaml";
import type { Diagnostic, SourcePosition } from "../../core/diagnostics.ts";
import { LIMITS } from "../../core/limits.ts";
import { type DocumentWalk, isMergeKey, keyName, walkDocument } from "./document-walk.ts";
import { lastKey, oversizedEntries, tooManyEntries } from "./entry-limit.ts";
import { type InterpolationProblem, interpolate, type Variables, type VariableUse } from "./interpolate.ts";
import { mergeValues } from "./merge.ts";
import type { Origin, Origins } from "./origins.ts";

const MAX_FILE = LIMITS.stack.fileBytes;
/** The most values that a file may have after aliases are expanded. */
const MAX_VALUES = LIMITS.stack.values;
/** The most documents in one file. */
const MAX_DOCUMENTS = LIMITS.stack.documents;
/** Keys whose scalars are text: a number below them is kept as written. */
const TEXT_KEYS = new Set(
  "environment labels annotations args options driver_opts sysctls command entrypoint test".split(" "),
);
/** Keys whose lists are arguments: a blank one is an argument, too. In other lists, an entry from a blank variable is left out. */
const ARGUMENT_KEYS = new Set(["command", "entrypoint", "test"]);
const RESET = "!reset";
const OVERRIDE = "!override";

export class SourceFile {
  readonly #lines = new LineCounter();
  readonly #documents: readonly Document.Parsed[];
  /** The nodes that aliases repeat, by document. */
  readonly #walks: ReadonlyMap<Document.Parsed, DocumentWalk>;
  /** A value could not be read. */
  #isBroken = false;
  /** Scalars that were written with a variable. */
  readonly #interpolated = new WeakSet<Node>();

  constructor(
    readonly file: string,
    readonly text: string,
    readonly report: (diagnostic: Diagnostic) => void,
  ) {
    const isTooLarge = text.length > MAX_FILE;
    const parsed = parseAllDocuments(isTooLarge ? "" : text, {
      lineCounter: this.#lines,
      merge: true,
      prettyErrors: false,
      // the library compares each key with every other; walkDocument finds duplicates in linear time
      uniqueKeys: false,
    });
    this.#documents = Array.isArray(parsed) ? parsed : [];
    if (this.#documents.length > MAX_DOCUMENTS) {
      this.#isBroken = true;
      report({
        severity: "error",
        code: "YAML",
        message: `the file has ${this.#documents.length} documents; ${MAX_DOCUMENTS} at most`,
        place: { file, line: 1, column: 1, length: 1 },
      });
    }
    if (isTooLarge) {
      report({
        severity: "error",
        code: "FILE_TOO_LARGE",
        message: `the file has ${text.length} bytes; ${MAX_FILE} at most`,
        place: { file, line: 1, column: 1, length: 1 },
      });
    }
    this.#reportTags();
    this.#walks = new Map(this.#documents.map((document) => [document, walkDocument(document)]));
    this.#reportSyntax();
    for (const document of this.#documents) this.#leaveOutOversized(document);
  }

  /** Each entry costs time at every later step, and an error keeps a file with too many from being used. */
  #leaveOutOversized(document: Document.Parsed): void {
    for (const { path, node } of oversizedEntries(document)) {
      const place = node.range ? this.#linePlace(node.range[0], node.range[1]) : undefined;
      this.report({
        severity: "error",
        code: "BAD_VALUE",
        message: `${path || "the file"}: ${tooManyEntries(lastKey(path), node.items.length)}`,
        ...(place ? { place } : {}),
      });
      node.items.length = 0;
    }
  }

  /** Reports only the first syntax error: the ones after it are mostly consequences. */
  #reportSyntax(): void {
    const duplicates = [...this.#walks.values()].flatMap((walk) => walk.duplicates);
    const [duplicate] = duplicates;
    const [error] = this.#errors;
    if (duplicate) this.#isBroken = true;
    const start = duplicate?.range?.[0] ?? 0;
    if (duplicate && !(error && error.pos[0] <= start)) {
      this.report({
        severity: "error",
        code: "DUPLICATE_KEY",
        message: "Map keys must be unique",
        place: this.#place(start, start + 1),
      });
    } else if (error) {
      this.report({
        severity: "error",
        code: error.code,
        message: error.message.split("\n")[0]!,
        place: this.#place(error.pos[0], error.pos[1]),
      });
    }
  }

  /** Rejects tags other than Compose's, because ignoring one would change the value. */
  #reportTags(): void {
    for (const warning of this.#documents.flatMap(({ warnings }) => warnings)) {
      if (warning.code !== "TAG_RESOLVE_FAILED") continue;
      const tag = /(![\w!]*)/.exec(warning.message)?.[1] ?? "";
      if (tag === RESET || tag === OVERRIDE) continue;
      this.report({
        severity: "error",
        code: "UNSUPPORTED_TAG",
        message: `unknown tag ${tag}`,
        hint: "!reset and !override are supported",
        place: this.#place(warning.pos[0], warning.pos[1]),
      });
    }
  }

  get #errors() {
    return this.#documents.flatMap(({ errors }) => errors);
  }

  get hasSyntaxErrors(): boolean {
    return this.#isBroken || this.#errors.length > 0;
  }

  #place(start: number, end: number): SourcePosition {
    const { line, col } = this.#lines.linePos(start);
    return {
      file: this.file,
      line: Math.max(1, line),
      column: Math.max(1, col),
      length: Math.max(1, end - start),
    };
  }

  /** Rejects NUL: the kernel ends names, paths and arguments at this character (execve(2), path_resolution(7)). */
  #refuseNul(node: Scalar): void {
    if (typeof node.value !== "string" || !node.value.includes("\0")) return;
    this.report({
      severity: "error",
      code: "NUL_CHARACTER",
      message: "a NUL character is not allowed in a stack file",
      ...(node.range ? { place: this.#place(node.range[0], node.range[1]) } : {}),
    });
    node.value = node.value.replaceAll("\0", ""); // so that it causes no further errors
  }

  /** Replaces variables in every string of the file except keys. */
  interpolate(variables: Variables, note: (use: VariableUse) => void = () => {}): void {
    const unset = new Set<string>();
    const visitor: visitor = {
      Scalar: (key, node, path) => {
        // YAML 1.1, as Compose reads it: 0700 is octal
        if (typeof node.value === "number" && /^0[0-7]+$/.test(node.source ?? ""))
          node.value = Number.parseInt(node.source!, 8);
        this.#refuseNul(node);
        if (key === "key" || typeof node.value !== "string" || !node.value.includes("$")) return;
        const place = node.range ? this.#place(node.range[0], node.range[1]) : undefined;
        const report = (problem: InterpolationProblem) => {
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
        };
        node.value = interpolate(node.value, variables, report, (use) => {
          this.#interpolated.add(node);
          note(use);
        });
        this.#refuseNul(node);
        const isEntry = typeof key === "number" && isSeq(path.at(-1)) && isPair(path.at(-2));
        if (!isEntry || node.value !== "") return;
        const { key: list } = path.at(-2) as Pair;
        return isScalar(list) && ARGUMENT_KEYS.has(String(list.value)) ? undefined : visit.REMOVE;
      },
    };
    for (const document of this.#documents) visit(document, visitor);
  }

  /** The file's content as plain values with recorded places; undefined if it cannot be read, which is reported. */
  toValue(origins: Origins): unknown {
    let left = MAX_VALUES;
    const anchor = {};
    let isText = false;
    let targets: DocumentWalk["targets"] = new Map();
    const convert = (given: unknown, holder: object, step: string | number, key?: Node): unknown => {
      const wasText = isText;
      isText ||= TEXT_KEYS.has(String(step));
      try {
        return convertNode(given, holder, step, key);
      } finally {
        isText = wasText;
      }
    };
    const convertNode = (given: unknown, holder: object, step: string | number, key?: Node): unknown => {
      let node = given;
      let isAliased = false;
      while (isAlias(node)) {
        const alias: Alias = node;
        node = targets.get(alias);
        if (node === undefined)
          this.#reportAt(alias, `the anchor &${alias.source} is not defined before this line`);
        isAliased = true;
      }
      // the target of an alias is counted each time; the size of the file bounds everything else
      if (isAliased || left < MAX_VALUES) left -= 1;
      if (left < 0) throw new RangeError("aliases");
      origins.note(holder, step, [this.#origin(node, key)]);
      if (isSeq(node)) {
        const list: unknown[] = [];
        node.items.forEach((item, index) => {
          list.push(convert(item, list, index));
        });
        return list;
      }
      if (isMap(node)) return this.#toMapping(node, convert, origins, targets);
      return isScalar(node) ? this.#toScalar(node, isText) : null;
    };
    try {
      // as in Compose, a later document overrides the earlier ones
      const values = this.#documents.map((document) => {
        targets = this.#walks.get(document)!.targets;
        return convert(document.contents, anchor, "");
      });
      return values.length === 0 ? null : values.reduce((base, over) => mergeValues(base, over, origins));
    } catch (error) {
      const isBomb = error instanceof RangeError;
      this.report({
        severity: "error",
        code: "YAML",
        message: isBomb ? "the aliases of the file expand to too much data" : (error as Error).message,
        place: { file: this.file, line: 1, column: 1, length: 1 },
      });
      return undefined;
    }
  }

  /** Keeps the source text of a number that a double cannot represent, or if the key expects text. */
  #toScalar(node: Scalar, isText: boolean): unknown {
    const { value, source } = node;
    if (typeof value !== "number" || source === undefined || String(value) === source) return value ?? null;
    if (!Number.isFinite(value)) {
      const place = node.range ? this.#linePlace(node.range[0], node.range[1]) : undefined;
      this.report({
        severity: "error",
        code: "BAD_VALUE",
        message: `${source} is not a finite number; put it in quotes if it is text`,
        ...(place ? { place } : {}),
      });
      return source;
    }
    const losesDigits = Number.isInteger(value) ? !Number.isSafeInteger(value) : /^\d+\.\d+$/.test(source);
    return isText || losesDigits ? source : value;
  }

  #toMapping(
    node: YAMLMap,
    convert: (node: unknown, holder: object, step: string | number, key?: Node) => unknown,
    origins: Origins,
    targets: DocumentWalk["targets"],
  ): Record<string, unknown> {
    const mapping: Record<string, unknown> = {};
    const set = (name: string, value: unknown) =>
      Object.defineProperty(mapping, name, { value, writable: true, enumerable: true, configurable: true });
    // the mapping's own keys take precedence over keys from `<<`
    for (const pair of node.items.filter(({ key }) => isMergeKey(key))) {
      const brought = convert(pair.value, {}, "");
      for (const part of [brought].flat().reverse()) {
        if (typeof part !== "object" || part === null) {
          this.#reportAt(pair.value, "<< can only merge mappings, given as an alias or a list of aliases");
          continue;
        }
        for (const [name, value] of Object.entries(part)) {
          set(name, value);
          origins.note(mapping, name, origins.of(part, name));
        }
      }
    }
    for (const pair of node.items) {
      const { key } = pair;
      if (isMergeKey(key)) continue;
      const name = keyName(key, targets);
      if (name === undefined) {
        this.#reportAt(key, "expected a word as a key, got a mapping or a list");
        continue;
      }
      set(name, convert(pair.value, mapping, name, isNode(key) ? key : undefined));
    }
    return mapping;
  }

  #reportAt(node: unknown, message: string): void {
    this.#isBroken = true;
    const place = isNode(node) && node.range ? this.#linePlace(node.range[0], node.range[1]) : undefined;
    this.report({ severity: "error", code: "YAML", message, ...(place ? { place } : {}) });
  }

  #origin(node: unknown, key: Node | undefined): Origin {
    const keyPlace = key?.range ? this.#linePlace(key.range[0], key.range[1]) : undefined;
    const own = isNode(node) && node.range ? this.#linePlace(node.range[0], node.range[1]) : undefined;
    const tag = isNode(node) ? node.tag : undefined;
    // an empty value has the place of its key
    const isEmpty = isScalar(node) && node.range && node.range[0] === node.range[1];
    return {
      place: (isEmpty ? keyPlace : own) ?? keyPlace ?? { file: this.file, line: 1, column: 1, length: 1 },
      ...(keyPlace ? { key: keyPlace } : {}),
      ...(tag === RESET ? { tag: "reset" } : tag === OVERRIDE ? { tag: "override" } : {}),
      ...(isNode(node) && this.#interpolated.has(node) ? { isInterpolated: true } : {}),
    };
  }

  /** The part of a range on its first line. */
  #linePlace(start: number, end: number): SourcePosition {
    const place = this.#place(start, end);
    // the counter knows the starts of all lines; a search for the newline would scan a long line each time
    const next = this.#lines.lineStarts[place.line];
    const length = next === undefined ? place.length : Math.min(place.length, next - 1 - start);
    return { ...place, length: Math.max(1, length) };
  }
}
