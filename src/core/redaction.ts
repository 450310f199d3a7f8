/** What may be secret is not shown. */

/** Names whose values are not shown, as they may be secret; rather one too many. */
const SECRET = /pass|secret|token|credential|api_?key|private/i;

export const mayBeSecret = (name: string): boolean => SECRET.test(name);

/** A text without the passwords of the URLs in it (RFC 3986, 3.2.1). */
export const withoutPasswords = (text: string): string =>
  text.replace(/(\b[a-z][a-z0-9+.-]*:\/\/[^\s/?#:@]*:)[^\s/?#@]+(?=@)/gi, "$1(hidden)");
