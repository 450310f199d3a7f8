/** Hiding values that may be secret. */

/** Names whose values are hidden, because they may be secret. The list errs on the side of hiding. */
const SECRET = /pass|secret|token|credential|api_?key|private/i;

const mayBeSecret = (name: string): boolean => SECRET.test(name);

/** The password of a URL (RFC 3986, 3.2.1); for http also the user, because tokens are often put there. */
const PASSWORD = /(\b(?:https?:\/\/|[a-z][a-z0-9+.-]*:\/\/[^\s/?#:@]*:))([^\s/?#@]+)(?=@)/gi;

/** A text without the passwords of the URLs in it. */
export const withoutPasswords = (text: string): string => text.replace(PASSWORD, "$1(hidden)");

/** Like `withoutPasswords`, but keeps the length of the text. */
export const passwordsMasked = (text: string): string =>
  text.replace(PASSWORD, (_, before: string, password: string) => before + "*".repeat(password.length));

const FIELDS = ["environment", "labels", "args"];

/**
 * A value of a stack file as plans and differences show it. A variable or label whose name says that it may be secret is hidden,
 * and so are the passwords of URLs. `field` is the key that holds the value's name: `environment`, `labels`, `args`.
 */
export const redacted = (field: string, name: string, value: string): string =>
  FIELDS.includes(field) && mayBeSecret(name) ? "(hidden)" : withoutPasswords(value);
