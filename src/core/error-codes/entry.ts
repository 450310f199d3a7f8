/** What the table says of one error code. */
export interface ErrorEntry {
  /** The exit code of the command. 78 (EX_CONFIG): a service manager need not start bayd again. */
  exit: 1 | 78;
  /** The status of bayd's HTTP answers, as Docker's Engine API uses them. */
  http: 400 | 403 | 404 | 408 | 409 | 413 | 429 | 500 | 501 | 503;
  /** What the code means: one sentence. */
  meaning: string;
  causes: string;
  /** What the reader can do. */
  fix: string;
}
