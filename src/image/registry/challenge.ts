/** WWW-Authenticate headers (RFC 9110, 11.6.1): schemes with parameters. */

export interface Challenge {
  /** In lower case: `bearer`, `basic`. */
  scheme: string;
  parameters: Record<string, string>;
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const PARAMETER = new RegExp(`^\\s*,?\\s*(${TOKEN})\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|(${TOKEN}))`);
const SCHEME = new RegExp(`^\\s*,?\\s*(${TOKEN})(?:\\s+|$)(?!=)`);

/** The challenges of a header, in order, up to the first malformed one. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = [];
  let rest = header;
  for (let scheme = SCHEME.exec(rest); scheme; scheme = SCHEME.exec(rest)) {
    const parameters: Record<string, string> = {};
    rest = rest.slice(scheme[0].length);
    for (let match = PARAMETER.exec(rest); match; match = PARAMETER.exec(rest)) {
      const [all, name = "", quoted, plain] = match;
      parameters[name.toLowerCase()] = quoted?.replace(/\\(.)/g, "$1") ?? plain ?? "";
      rest = rest.slice(all.length);
    }
    challenges.push({ scheme: scheme[1]!.toLowerCase(), parameters });
  }
  return challenges;
}
