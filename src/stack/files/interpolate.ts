/**
 * Interpolation of variables, by the Compose specification: $NAME, ${NAME}, ${NAME:-default}, ${NAME-default},
 * ${NAME:?error}, ${NAME?error}, ${NAME:+other}, ${NAME+other}, nested in defaults; $$ is a dollar, and so is a $ that begins no variable.
 */

export type Variables = (name: string) => string | undefined;

export interface InterpolationProblem {
  kind: "error" | "unset";
  message: string;
  name?: string;
}

/** A reference to a variable in a text. */
export interface VariableUse {
  name: string;
  isRequired: boolean;
  /** The reference as written. */
  otherwise: string | undefined;
  alternate: string | undefined;
}

/** Returns the text with its variables replaced; problems are reported, not thrown. */
export function interpolate(
  text: string,
  variables: Variables,
  report: (problem: InterpolationProblem) => void,
  note: (use: VariableUse) => void = () => {},
): string {
  return new Interpolation(text, variables, report, note).run();
}

const NAME_START = /[A-Za-z_]/;
const NAME_PART = /[A-Za-z0-9_]/;

class Interpolation {
  #at = 0;

  constructor(
    readonly text: string,
    readonly variables: Variables,
    readonly report: (problem: InterpolationProblem) => void,
    readonly note: (use: VariableUse) => void,
  ) {}

  run(): string {
    return this.#until(undefined);
  }

  /** Reads to the end of the text, or to the closing brace of a default. */
  #until(end: "}" | undefined): string {
    let result = "";
    while (this.#at < this.text.length) {
      const character = this.text[this.#at]!;
      if (character === end) return result;
      if (character !== "$") {
        result += character;
        this.#at += 1;
      } else result += this.#dollar();
    }
    return result;
  }

  #dollar(): string {
    const next = this.text[this.#at + 1];
    if (next === "$") {
      this.#at += 2;
      return "$";
    }
    if (next === "{") return this.#braced();
    // as in Compose, a dollar that does not begin a variable is plain text: $(date), $!, ^x$
    if (next === undefined || !NAME_START.test(next)) {
      this.#at += 1;
      return "$";
    }
    this.#at += 1;
    return this.#value(this.#name());
  }

  #name(): string {
    const start = this.#at;
    while (this.#at < this.text.length && NAME_PART.test(this.text[this.#at]!)) this.#at += 1;
    return this.text.slice(start, this.#at);
  }

  #value(name: string): string {
    this.#use(name, undefined, "");
    const value = this.variables(name);
    if (value === undefined)
      this.report({
        kind: "unset",
        name,
        message: `the variable ${name} is not set; a blank string is used`,
      });
    return value ?? "";
  }

  #braced(): string {
    const start = this.#at;
    this.#at += 2;
    const name = this.#name();
    const operator = /^(:?[-?+])/.exec(this.text.slice(this.#at))?.[1];
    const isNamed = name !== "" && NAME_START.test(name[0]!);
    if (!isNamed || (!operator && this.text[this.#at] !== "}")) {
      const end = this.text.indexOf("}", start);
      this.report({
        kind: "error",
        message: `${this.text.slice(start, end === -1 ? undefined : end + 1)} is not a valid variable`,
      });
      this.#at = end === -1 ? this.text.length : end + 1;
      return "";
    }
    if (!operator) {
      this.#at += 1;
      return this.#value(name);
    }
    this.#at += operator.length;
    const value = this.variables(name);
    const isSet = operator.startsWith(":") ? value !== undefined && value !== "" : value !== undefined;
    const begun = this.#at;
    const silent = operator.endsWith("+") ? !isSet : isSet;
    const other = silent ? this.#skip() : this.#until("}");
    this.#use(name, operator, this.text.slice(begun, this.#at));
    if (this.text[this.#at] !== "}") this.report({ kind: "error", message: `\${${name} is not closed` });
    this.#at += 1;
    if (operator.endsWith("+")) return isSet ? other : "";
    if (isSet) return value!;
    if (operator.endsWith("-")) return other;
    this.report({
      kind: "error",
      name,
      message: `the variable ${name} is required${other ? `: ${other}` : ""}`,
    });
    return "";
  }

  #use(name: string, operator: string | undefined, other: string): void {
    this.note({
      name,
      isRequired: operator?.endsWith("?") ?? false,
      otherwise: operator?.endsWith("-") ? other : undefined,
      alternate: operator?.endsWith("+") ? other : undefined,
    });
  }

  /** Skips a default that is not used, without reporting unset variables in it. */
  #skip(): string {
    const quiet = new Interpolation(this.text.slice(this.#at), this.variables, () => {}, this.note);
    const result = quiet.#until("}");
    this.#at += quiet.#at;
    return result;
  }
}
