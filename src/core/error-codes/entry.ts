/** An entry in the table of error codes. */
export interface ErrorEntry {
  /** The exit code of the command. */
  exit: 1;
  /** The exit code of `bay daemon run`, if another: with 78 (EX_CONFIG) a service manager does not start bayd again. */
  daemonExit?: 78;
  /** The status of bayd's HTTP answers, as Docker's Engine API uses them. */
  http: 400 | 401 | 403 | 404 | 408 | 409 | 413 | 429 | 500 | 501 | 503;
  /** What the code means: one sentence. */
  meaning: string;
  causes: string;
  /** What the reader can do. */
  fix: string;
}
