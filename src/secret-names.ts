/** Names whose values are not shown, as they may be secret; rather one too many. */
const SECRET = /pass|secret|token|credential|api_?key|private/i;

export const mayBeSecret = (name: string): boolean => SECRET.test(name);
