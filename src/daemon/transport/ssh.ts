/**
 * The transport over OpenSSH's client: each connection is one `ssh HOST bay dial-stdio`, with the user's keys, known hosts and
 * configuration.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { Agent } from "node:http";
import type { Socket } from "node:net";
import { Duplex, type Readable, type Writable } from "node:stream";
import { BayError } from "../../core/errors.ts";
import { formatHostAddress, type SshAddress } from "../../core/host-address.ts";
import { ANNOUNCEMENT } from "./announcement.ts";
import { sshProblem } from "./ssh-problems.ts";
import type { RequestKind, Transport } from "./transport.ts";

/** A word for the login shell of the far side, which reads the command. */
const shellWord = (word: string): string =>
  /^[A-Za-z0-9_./:-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

/** The command on the far side. */
export const farCommand = ({ path }: SshAddress): string =>
  ["bay", ...(path === undefined ? [] : ["-H", `unix://${path}`]), "dial-stdio", "--announce"]
    .map(shellWord)
    .join(" ");

/** The arguments of ssh(1). `--` ends its options, so a host is never read as one. */
export function sshArguments(address: SshAddress): string[] {
  const { user, host, port } = address;
  return [
    "-T",
    "-o",
    "ConnectTimeout=30",
    ...(user === undefined ? [] : ["-l", user]),
    ...(port === undefined ? [] : ["-p", String(port)]),
    "--",
    host,
    farCommand(address),
  ];
}

type SshProcess = ChildProcessByStdio<Writable, Readable, Readable>;

/** Processes that are running; they end with this process. */
const running = new Set<SshProcess>();
let endsWithProcess = false;

function startSsh(address: SshAddress): SshProcess {
  // a session of its own: Ctrl-C in the terminal must not end the connection on which the command then stops containers
  const child = spawn("ssh", sshArguments(address), { stdio: ["pipe", "pipe", "pipe"], detached: true });
  running.add(child);
  child.once("exit", () => running.delete(child));
  if (!endsWithProcess)
    process.once("exit", () => {
      for (const each of running) each.kill();
    });
  endsWithProcess = true;
  return child;
}

/** Characters of ssh's messages that are kept. */
const MOST_TEXT = 16_384;
/** Milliseconds to wait for the rest of its messages after it has ended: a control master may keep the pipe open. */
const TEXT_PATIENCE = 500;

/** One process of ssh(1) as a connection. */
class SshConnection extends Duplex {
  readonly #child: SshProcess;
  #text = "";
  #received = 0;
  #isEnded = false;
  #isLoggedIn: () => void = () => {};
  /** Resolves when the login is over, whether it succeeded or not. */
  readonly login = new Promise<void>((resolve) => {
    this.#isLoggedIn = resolve;
  });

  constructor(
    readonly to: SshAddress,
    readonly address: string,
    allowHalfOpen: boolean,
  ) {
    super({ allowHalfOpen });
    this.#child = startSsh(to);
    const { stdin, stdout, stderr } = this.#child;
    this.#child.once("error", (cause) => this.destroy(notStarted(cause)));
    stdin.on("error", () => {}); // it has ended, which "exit" reports
    stdout.on("data", (part: Buffer) => {
      this.#received += part.length;
      this.#isLoggedIn();
      if (!this.push(part)) stdout.pause();
    });
    // an end before any byte is a failure, whose reason comes with the exit
    stdout.on("end", () => this.#received > 0 && this.#finish());
    stderr.setEncoding("utf8").on("data", (part: string) => {
      this.#text = (this.#text + part).slice(-MOST_TEXT);
      if (!this.#text.includes(ANNOUNCEMENT)) return;
      this.#text = this.#text.replace(ANNOUNCEMENT, "");
      this.#isLoggedIn();
    });
    this.once("close", this.#isLoggedIn);
    this.#child.once("exit", (code, signal) => void this.#ended(code, signal));
  }

  #finish(): void {
    if (!this.#isEnded) this.push(null);
    this.#isEnded = true;
  }

  async #ended(code: number | null, signal: NodeJS.Signals | null): Promise<void> {
    const { stderr, stdout } = this.#child;
    await Promise.all([quiet(stderr), quiet(stdout)]);
    if (this.destroyed) return;
    if (code === 0 && this.#received > 0) return this.#finish();
    this.destroy(sshProblem(this.address, { code, signal, text: this.#text, isCut: this.#received > 0 }));
  }

  override _read(): void {
    this.#child.stdout.resume();
  }

  override _write(part: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    // what is written after the end of ssh is lost; its exit is the error to report
    if (!this.#child.stdin.writable) return done();
    this.#child.stdin.write(part, () => done());
  }

  override _final(done: () => void): void {
    this.#child.stdin.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const { stdin, stdout, stderr } = this.#child;
    for (const stream of [stdin, stdout, stderr]) stream.destroy();
    this.#child.kill();
    done(error);
  }

  /** Methods of net.Socket that Node's agent calls. */
  setTimeout(): this {
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  setKeepAlive(): this {
    return this;
  }
  ref(): this {
    return this.#refer("ref");
  }
  unref(): this {
    return this.#refer("unref");
  }
  /** An idle connection does not keep the command running. */
  #refer(what: "ref" | "unref"): this {
    const { stdin, stdout, stderr } = this.#child;
    this.#child[what]();
    for (const stream of [stdin, stdout, stderr]) (stream as unknown as Socket)[what]();
    return this;
  }
}

function quiet(stream: Readable): Promise<void> {
  if (stream.readableEnded || stream.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, TEXT_PATIENCE);
    stream.once("close", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

const notStarted = (cause: Error) =>
  new BayError("NO_SSH_CLIENT", "ssh could not be run", { cause, hint: "apt-get install openssh-client" });

/** Logins at once of each agent: sshd drops some of more than 10 (MaxStartups in sshd_config(5)). */
const MOST_LOGINS = 4;

/** For short requests: they share some connections, and wait for them. */
class ShortAgent extends Agent {
  constructor(readonly open: () => SshConnection) {
    // a login takes longer than a request, so later requests of the command use its connections again
    super({ keepAlive: true, maxSockets: MOST_LOGINS });
  }

  override createConnection(): Duplex {
    return this.open();
  }
}

/** For requests that may take long: any number of connections, of which some log in at the same time. */
class LongAgent extends Agent {
  #logins = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(readonly open: () => SshConnection) {
    super({ keepAlive: true });
  }

  override createConnection(
    _options: unknown,
    done?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    const begin = () => {
      this.#logins += 1;
      const connection = this.open();
      void connection.login.then(() => {
        this.#logins -= 1;
        this.#waiting.shift()?.();
      });
      done?.(null, connection);
    };
    if (this.#logins < MOST_LOGINS) begin();
    else this.#waiting.push(begin);
  }
}

export class SshTransport implements Transport {
  readonly isRemote = true;
  readonly address: string;
  readonly #agents: Record<RequestKind, Agent>;

  constructor(readonly to: SshAddress) {
    this.address = formatHostAddress(to);
    const open = () => this.#open(false);
    this.#agents = {
      short: new ShortAgent(open),
      long: new LongAgent(open),
    };
  }

  routeOf(kind: RequestKind) {
    return { agent: this.#agents[kind], host: "bay" };
  }

  /** An agent's idle connection ends with the far side of it. */
  #open(allowHalfOpen: boolean): SshConnection {
    return new SshConnection(this.to, this.address, allowHalfOpen);
  }

  async connect(): Promise<Duplex> {
    return this.#open(true);
  }

  explain(cause: unknown): unknown {
    return cause;
  }
}
