/** Files that editors and tools write beside the real ones, and git's folder: a watch never reports them, as in Compose. */

const PATTERNS: readonly RegExp[] = [
  // git's own files
  /(^|\/)\.git(\/|$)/,
  // JetBrains: safe write, and the project's settings
  /___jb_(old|tmp)___$/,
  /(^|\/)\.idea(\/|$)/,
  // Emacs: locks and automatic saves
  /(^|\/)\.#[^/]*$/,
  /(^|\/)#[^/]*#$/,
  // Vim: a probe for write access, backups and swap files (.swp, .swo … .svz)
  /(^|\/)4913$/,
  /(^|\/)[^/]*~$/,
  /(^|\/)\.[^/]*\.s[u-w][a-z]$/,
  // Kate
  /(^|\/)\.[^/]*\.kate-swp$/,
  // Go's probe for the umask
  /-go-tmp-umask$/,
];

/** Whether a path with slashes, relative to the watched directory, is such a file or below such a directory. */
export const isEditorFile = (path: string): boolean => PATTERNS.some((pattern) => pattern.test(path));
