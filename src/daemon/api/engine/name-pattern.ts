/**
 * Regular expressions of clients, matched in linear time for every expression: all possible states after each character are
 * followed in parallel (Thompson 1968), without backtracking.
 *
 * It supports a part of Go's regexp syntax: characters, `.`, `[a-z]`, `[^a-z]`, `\d \w \s \D \W \S`, escapes of punctuation,
 * `( )`, `(?: )`, `|`, `* + ?` and `{n,m}` (also lazy, which is the same here), `^` and `$`.
 */

import { BayError } from "../../../core/errors.ts";
import { LIMITS } from "../../../core/limits.ts";

const MAX_LENGTH = LIMITS.request.patternLength;
const MAX_STATES = LIMITS.request.patternStates;
const MAX_REPEATS = LIMITS.request.patternRepeats;
const MAX_NESTING = LIMITS.request.patternNesting;

type Accepts = (character: string) => boolean;

/** A state: matches a character, splits in two, tests the position, or is the end. */
type State =
  | { kind: "take"; accepts: Accepts; next: number }
  | { kind: "split"; next: number; other: number }
  | { kind: "look"; at: "start" | "end"; next: number }
  | { kind: "match" };

type Node =
  | { kind: "take"; accepts: Accepts }
  | { kind: "look"; at: "start" | "end" }
  | { kind: "sequence"; parts: Node[] }
  | { kind: "choice"; options: Node[] }
  | { kind: "repeat"; part: Node; least: number; most: number };

const CLASSES: Readonly<Record<string, Accepts>> = {
  d: (character) => /[0-9]/.test(character),
  w: (character) => /[0-9A-Za-z_]/.test(character),
  s: (character) => /[\t\n\f\r ]/.test(character),
};

class Reader {
  #at = 0;
  #depth = 0;

  constructor(readonly text: string) {}

  read(): Node {
    const node = this.#choice();
    if (this.#at < this.text.length) throw this.#bad("unexpected )");
    return node;
  }

  #bad(why: string): BayError {
    return new BayError("BAD_REQUEST", `invalid pattern ${JSON.stringify(this.text)}: ${why}`);
  }

  #choice(): Node {
    this.#depth += 1;
    if (this.#depth > MAX_NESTING) throw this.#bad(`more than ${MAX_NESTING} nested groups`);
    const options = [this.#sequence()];
    while (this.text[this.#at] === "|") {
      this.#at += 1;
      options.push(this.#sequence());
    }
    this.#depth -= 1;
    return options.length === 1 ? options[0]! : { kind: "choice", options };
  }

  #sequence(): Node {
    const parts: Node[] = [];
    while (this.#at < this.text.length && !"|)".includes(this.text[this.#at]!)) parts.push(this.#repeated());
    return { kind: "sequence", parts };
  }

  #repeated(): Node {
    let part = this.#atom();
    for (let isFirst = true; ; isFirst = false) {
      const range = this.#range();
      if (!range) return part;
      if (!isFirst) throw this.#bad("nested repetitions");
      if (this.text[this.#at] === "?") this.#at += 1; // lazy: matches the same texts
      part = { kind: "repeat", part, ...range };
    }
  }

  #range(): { least: number; most: number } | undefined {
    const character = this.text[this.#at];
    if (character === "*" || character === "+" || character === "?") {
      this.#at += 1;
      return { least: character === "+" ? 1 : 0, most: character === "?" ? 1 : Number.POSITIVE_INFINITY };
    }
    const match =
      character === "{" ? /^\{(\d{1,4})(?:(,)(\d{1,4})?)?\}/.exec(this.text.slice(this.#at)) : null;
    if (!match) return undefined;
    this.#at += match[0].length;
    const least = Number(match[1]);
    const most = match[3] ? Number(match[3]) : match[2] ? Number.POSITIVE_INFINITY : least;
    if (least > MAX_REPEATS || (Number.isFinite(most) && most > MAX_REPEATS) || most < least)
      throw this.#bad(`invalid repetition ${match[0]}`);
    return { least, most };
  }

  #atom(): Node {
    const character = this.#next();
    if (character === "(") return this.#group();
    if (character === "[") return { kind: "take", accepts: this.#set() };
    if (character === ".") return { kind: "take", accepts: (other) => other !== "\n" };
    if (character === "^") return { kind: "look", at: "start" };
    if (character === "$") return { kind: "look", at: "end" };
    if ("*+?".includes(character)) throw this.#bad(`nothing to repeat before ${character}`);
    if (character === "\\") return { kind: "take", accepts: this.#escape() };
    return { kind: "take", accepts: (other) => other === character };
  }

  #next(): string {
    const point = this.text.codePointAt(this.#at);
    if (point === undefined) throw this.#bad("unexpected end");
    const character = String.fromCodePoint(point);
    this.#at += character.length;
    return character;
  }

  #group(): Node {
    if (this.text[this.#at] === "?") {
      if (this.text[this.#at + 1] !== ":") throw this.#bad("only (?: ) groups are supported after (?");
      this.#at += 2;
    }
    const node = this.#choice();
    if (this.text[this.#at] !== ")") throw this.#bad("missing )");
    this.#at += 1;
    return node;
  }

  #escape(): Accepts {
    const character = this.#next();
    const known = Object.hasOwn(CLASSES, character.toLowerCase())
      ? CLASSES[character.toLowerCase()]
      : undefined;
    if (known) return character === character.toLowerCase() ? known : (other) => !known(other);
    if (/[0-9A-Za-z]/.test(character)) throw this.#bad(`the escape \\${character} is not supported`);
    return (other) => other === character;
  }

  #set(): Accepts {
    const isNegated = this.text[this.#at] === "^";
    if (isNegated) this.#at += 1;
    const members: Accepts[] = [];
    while (members.length === 0 || this.text[this.#at] !== "]") members.push(this.#member());
    this.#at += 1;
    return (character) => members.some((accepts) => accepts(character)) !== isNegated;
  }

  #member(): Accepts {
    const first = this.#next();
    if (first === "[" && this.text[this.#at] === ":") throw this.#bad("[: :] classes are not supported");
    if (first === "\\") return this.#escape();
    const isRange = this.text[this.#at] === "-" && !["]", undefined].includes(this.text[this.#at + 1]);
    if (!isRange) return (character) => character === first;
    this.#at += 1;
    let last = this.#next();
    if (last === "\\") last = this.#next();
    const [low, high] = [first.codePointAt(0)!, last.codePointAt(0)!];
    if (high < low) throw this.#bad(`invalid range ${first}-${last}`);
    return (character) => character.codePointAt(0)! >= low && character.codePointAt(0)! <= high;
  }
}

/** Builds the states of an expression from its end: each method returns the first state of its part. */
class Builder {
  readonly states: State[] = [{ kind: "match" }];

  add(state: State): number {
    if (this.states.length >= MAX_STATES) throw new BayError("BAD_REQUEST", "the pattern is too large");
    return this.states.push(state) - 1;
  }

  build(node: Node, next: number): number {
    switch (node.kind) {
      case "take":
      case "look":
        return this.add({ ...node, next });
      case "sequence":
        return node.parts.reduceRight((after, part) => this.build(part, after), next);
      case "choice":
        return node.options
          .map((option) => this.build(option, next))
          .reduce((one, other) => this.add({ kind: "split", next: one, other }));
      case "repeat":
        return this.#repeat(node, next);
    }
  }

  #repeat({ part, least, most }: Extract<Node, { kind: "repeat" }>, next: number): number {
    let start = next;
    if (most === Number.POSITIVE_INFINITY) {
      const loop = { kind: "split" as const, next: 0, other: next };
      start = this.add(loop);
      loop.next = this.build(part, start);
    } else
      for (let count = least; count < most; count++)
        start = this.add({ kind: "split", next: this.build(part, start), other: next });
    for (let count = 0; count < least; count++) start = this.build(part, start);
    return start;
  }
}

/** Expressions that are plain text, anchored or not: most of those that clients send. */
const PLAIN = /^(?:\^(?:\/\??)?)?[\w/:@-]*\$?$/;

export class NamePattern {
  readonly #states: readonly State[];
  readonly #start: number;
  /** The number of the pass in which each state was last reached. */
  readonly #reachedIn: Uint32Array;
  #pass = 0;

  /** Throws BAD_REQUEST for an expression that is invalid, too large, or needs backtracking. */
  constructor(text: string) {
    if (text.length > MAX_LENGTH)
      throw new BayError("BAD_REQUEST", `the pattern is longer than ${MAX_LENGTH} characters`);
    const builder = new Builder();
    this.#start = builder.build(new Reader(text).read(), 0);
    this.#states = builder.states;
    this.#reachedIn = new Uint32Array(this.#states.length);
  }

  /** Whether an expression is so simple that it costs next to nothing. */
  static isPlain(text: string): boolean {
    return PLAIN.test(text);
  }

  /** Whether it matches anywhere in the text. */
  test(text: string): boolean {
    const characters = [...text];
    let current: number[] = [];
    for (let at = 0; at <= characters.length; at++) {
      current.push(this.#start);
      const reached = this.#reach(current, at, characters.length);
      if (reached === "match") return true;
      current = this.#step(reached, characters[at]);
    }
    return false;
  }

  /** All states that can be reached without matching a character. */
  #reach(open: number[], at: number, length: number): number[] | "match" {
    this.#pass += 1;
    const reached: number[] = [];
    for (let index = open.pop(); index !== undefined; index = open.pop()) {
      if (this.#reachedIn[index] === this.#pass) continue;
      this.#reachedIn[index] = this.#pass;
      const state = this.#states[index]!;
      if (state.kind === "match") return "match";
      if (state.kind === "split") open.push(state.next, state.other);
      else if (state.kind === "take") reached.push(index);
      else if (state.at === "start" ? at === 0 : at === length) open.push(state.next);
    }
    return reached;
  }

  #step(reached: readonly number[], character: string | undefined): number[] {
    if (character === undefined) return [];
    const next: number[] = [];
    for (const index of reached) {
      const state = this.#states[index]!;
      if (state.kind === "take" && state.accepts(character)) next.push(state.next);
    }
    return next;
  }
}
