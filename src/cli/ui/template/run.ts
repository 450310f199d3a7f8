/**
 * Runs Go's text/template over rows of output, as Docker's `--format` does (pkg.go.dev/text/template, and
 * "Format command and log output" of Docker's documentation).
 */
import {
  FUNCTIONS,
  HEADING_FUNCTIONS,
  isTrue,
  showValue,
  type TemplateFunction,
  type Value,
} from "./functions.ts";
import { badTemplate } from "./lex.ts";
import type { Node, Operand, Pipeline } from "./parse.ts";

const MOST_STEPS = 1_000_000;
const LONGEST_RESULT = 16 << 20;

class Leave {
  constructor(readonly kind: "break" | "continue") {}
}

/** Runs a template on a value and returns the text. Throws BAD_TEMPLATE, which names the column. */
export const runTemplate = (nodes: readonly Node[], value: Value): string =>
  new Run(value, FUNCTIONS, false).block(nodes, value);

/** The heading line: the value is the heading of each column, and a field of a column has its name as the heading. */
export const runHeadings = (nodes: readonly Node[], headings: Readonly<Record<string, string>>): string =>
  new Run(headings, HEADING_FUNCTIONS, true).block(nodes, headings);

class Run {
  readonly #scopes: Map<string, Value>[];
  #steps = 0;
  #length = 0;

  constructor(
    root: Value,
    readonly functions: Readonly<Record<string, TemplateFunction>>,
    readonly isHeadings: boolean,
  ) {
    this.#scopes = [new Map([["$", root]])];
  }

  block(nodes: readonly Node[], dot: Value): string {
    this.#scopes.push(new Map());
    let result = "";
    try {
      for (const node of nodes) result += this.#node(node, dot);
    } catch (left) {
      if (left instanceof Leave && this.#partial === undefined) this.#partial = result;
      else if (left instanceof Leave) this.#partial = result + this.#partial;
      throw left;
    } finally {
      this.#scopes.pop();
    }
    return result;
  }

  /** The output of blocks that a break or continue left. */
  #partial: string | undefined;

  #node(node: Node, dot: Value): string {
    this.#count();
    switch (node.kind) {
      case "text":
        return this.#keep(node.text);
      case "show": {
        const value = this.#pipeline(node.pipeline, dot);
        return node.pipeline.declare.length > 0 ? "" : this.#keep(showValue(value));
      }
      case "break":
      case "continue":
        throw new Leave(node.kind);
      case "range":
        return this.#range(node, dot);
      default:
    }
    this.#scopes.push(new Map());
    try {
      const value = this.#pipeline(node.pipeline, dot);
      if (!isTrue(value)) return this.block(node.otherwise, dot);
      return this.block(node.body, node.kind === "with" ? value : dot);
    } finally {
      this.#scopes.pop();
    }
  }

  #range(node: Extract<Node, { kind: "if" | "with" | "range" }>, dot: Value): string {
    const { declare, isAssignment, commands } = node.pipeline;
    const list = this.#pipeline({ declare: [], isAssignment: false, commands }, dot);
    const entries: [Value, Value][] =
      this.isHeadings && typeof list === "string" ? [[0, list]] : entriesOf(list);
    if (entries.length === 0) return this.block(node.otherwise, dot);
    let result = "";
    for (const [key, value] of entries) {
      this.#scopes.push(new Map());
      try {
        const values = declare.length === 2 ? [key, value] : [value];
        declare.forEach((name, at) => void this.#set(name, values[at], isAssignment));
        result += this.block(node.body, value);
      } catch (left) {
        if (!(left instanceof Leave)) throw left;
        result += this.#partial ?? "";
        this.#partial = undefined;
        if (left.kind === "break") break;
      } finally {
        this.#scopes.pop();
      }
    }
    return result;
  }

  #pipeline({ declare, isAssignment, commands }: Pipeline, dot: Value): Value {
    let value: Value;
    commands.forEach((operands, at) => {
      value = this.#command(operands, dot, at > 0 ? [value] : []);
    });
    if (declare.length > 0) this.#set(declare.at(-1)!, value, isAssignment);
    return value;
  }

  #command([first, ...rest]: Operand[], dot: Value, piped: Value[]): Value {
    this.#count();
    if (first!.kind === "function" && (first!.name === "and" || first!.name === "or"))
      return this.#logic(first!.name, rest, dot, piped);
    const given = () => [...rest.map((operand) => this.#operand(operand, dot)), ...piped];
    if (first!.kind === "function") {
      const known = Object.hasOwn(this.functions, first!.name) ? this.functions[first!.name] : undefined;
      if (!known)
        throw badTemplate(
          `the function ${first!.name} does not exist`,
          `functions are and, or, ${Object.keys(this.functions).join(", ")}`,
        );
      return known(...given());
    }
    const value = this.#operand(first!, dot, true);
    if (typeof value === "function") {
      const values = given();
      if (values.length !== 1) throw badTemplate(`${nameOf(first!)} expects one argument`);
      return (value as TemplateFunction)(...values);
    }
    if (this.isHeadings && rest.length > 0) return headingOfLabel(given()[0]);
    if (rest.length + piped.length > 0) throw badTemplate(`${nameOf(first!)} takes no argument`);
    return value;
  }

  #logic(name: "and" | "or", operands: Operand[], dot: Value, piped: Value[]): Value {
    if (operands.length + piped.length === 0) throw badTemplate(`${name}: expected a value`);
    let value: Value;
    for (const operand of operands) {
      value = this.#operand(operand, dot);
      if (isTrue(value) === (name === "or")) return value;
    }
    return piped.length > 0 ? piped[0] : value;
  }

  #operand(operand: Operand, dot: Value, mayBeFunction = false): Value {
    switch (operand.kind) {
      case "dot":
        return dot;
      case "nil":
        return undefined;
      case "literal":
        return operand.value;
      case "function":
        return this.#command([operand], dot, []);
      case "variable":
        return this.#fields(this.#get(operand.name), operand.fields, mayBeFunction);
      case "fields":
        return this.#fields(dot, operand.fields, mayBeFunction);
      case "pipeline":
        return this.#fields(this.#pipeline(operand.pipeline, dot), operand.fields, mayBeFunction);
    }
  }

  #fields(start: Value, fields: readonly string[], mayBeFunction: boolean): Value {
    const value = fields.reduce(
      (from, name) =>
        this.isHeadings && typeof from !== "object" ? name.toUpperCase() : fieldOf(from, name),
      start,
    );
    if (typeof value === "function" && !mayBeFunction)
      throw badTemplate(`.${fields.join(".")} expects an argument`, `write (.${fields.join(".")} "NAME")`);
    return value;
  }

  #get(name: string): Value {
    const scope = this.#scopes.findLast((candidate) => candidate.has(name));
    if (!scope) throw badTemplate(`the variable ${name} is not set`);
    return scope.get(name);
  }

  #set(name: string, value: Value, isAssignment: boolean): void {
    if (!isAssignment) return void this.#scopes.at(-1)!.set(name, value);
    const scope = this.#scopes.findLast((candidate) => candidate.has(name));
    if (!scope) throw badTemplate(`the variable ${name} is not set`);
    scope.set(name, value);
  }

  #count(): void {
    this.#steps += 1;
    if (this.#steps > MOST_STEPS) throw badTemplate("the template takes too many steps");
  }

  #keep(text: string): string {
    this.#length += text.length;
    if (this.#length > LONGEST_RESULT) throw badTemplate("the template's result is too long");
    return text;
  }
}

/** The heading of the label com.example.owner is OWNER. */
const headingOfLabel = (label: Value): string =>
  showValue(label).split(".").at(-1)!.replaceAll(/[-_]/g, " ").toUpperCase();

const nameOf = (operand: Operand): string =>
  "fields" in operand && operand.fields.length > 0 ? `.${operand.fields.join(".")}` : "a value";

/** A key of an object. Objects with Go's names are structs, where an unknown name is an error; others are maps. */
function fieldOf(value: Value, name: string): Value {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "object" || Array.isArray(value))
    throw badTemplate(`.${name}: ${showValue(value).slice(0, 40)} has no columns`);
  if (Object.hasOwn(value, name)) return (value as Record<string, Value>)[name];
  const keys = Object.keys(value);
  if (keys.length > 0 && keys.every((key) => /^[A-Z]\w*$/.test(key)))
    throw badTemplate(
      `the column .${name} does not exist`,
      `columns are ${keys.map((key) => `.${key}`).join(", ")}`,
    );
  return undefined;
}

function entriesOf(value: Value): [Value, Value][] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value.map((entry, at) => [at, entry]);
  if (typeof value === "object")
    return Object.entries(value)
      .filter(([, entry]) => typeof entry !== "function")
      .sort(([a], [b]) => (a < b ? -1 : 1));
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 100_000)
    return Array.from({ length: value }, (_, at) => [at, at]);
  throw badTemplate(`range: expected a list or a map, got ${showValue(value).slice(0, 40)}`);
}
