/** Real git servers on ports of 127.0.0.1: git-http-backend behind nginx with TLS and basic authentication, and git daemon. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import { eventually } from "./bay.ts";
import type { Pair } from "./certificates.ts";
import { freePort } from "./registry.ts";

const BACKEND = "/usr/lib/git-core/git-http-backend";
const answers = (port: number) =>
  new Promise<void>((resolve, reject) => {
    const socket = createConnection(port, "127.0.0.1", () => {
      socket.destroy();
      resolve();
    });
    socket.on("error", reject);
  });

/** Serves the repositories below a directory over https, for one user. */
export class GitHttps {
  readonly #children: ChildProcess[] = [];
  port = 0;

  constructor(
    readonly folder: string,
    readonly projects: string,
  ) {
    mkdirSync(folder, { recursive: true });
  }

  get #log(): string {
    const path = join(this.folder, "error.log");
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  }

  async start({ certFile, keyFile }: Pair, user: string, password: string): Promise<this> {
    this.port = await freePort();
    const at = (name: string) => join(this.folder, name);
    const hash = execFileSync("openssl", ["passwd", "-apr1", "-stdin"], {
      input: password,
      encoding: "utf8",
    });
    writeFileSync(at("users"), `${user}:${hash}`);
    writeFileSync(
      at("nginx.conf"),
      `daemon off;
user root;
worker_processes 1;
pid ${at("nginx.pid")};
error_log ${at("error.log")};
events {}
http {
  access_log ${at("access.log")};
  client_body_temp_path ${at("body")};
  proxy_temp_path ${at("proxy")};
  fastcgi_temp_path ${at("fastcgi")};
  uwsgi_temp_path ${at("uwsgi")};
  scgi_temp_path ${at("scgi")};
  server {
    listen 127.0.0.1:${this.port} ssl;
    ssl_certificate ${certFile};
    ssl_certificate_key ${keyFile};
    location / {
      auth_basic git;
      auth_basic_user_file ${at("users")};
      fastcgi_pass unix:${at("cgi.sock")};
      fastcgi_param SCRIPT_FILENAME ${BACKEND};
      fastcgi_param GIT_PROJECT_ROOT ${this.projects};
      fastcgi_param GIT_HTTP_EXPORT_ALL 1;
      fastcgi_param PATH_INFO $uri;
      fastcgi_param QUERY_STRING $query_string;
      fastcgi_param REQUEST_METHOD $request_method;
      fastcgi_param CONTENT_TYPE $content_type;
      fastcgi_param CONTENT_LENGTH $content_length;
      fastcgi_param REMOTE_USER $remote_user;
      fastcgi_param REMOTE_ADDR $remote_addr;
    }
  }
}
`,
    );
    const start = (program: string, ...words: string[]) =>
      this.#children.push(
        spawn(program, words, { stdio: "ignore", detached: true, env: { PATH: process.env.PATH } }),
      );
    start("/usr/sbin/fcgiwrap", "-c", "2", "-s", `unix:${at("cgi.sock")}`);
    start("/usr/sbin/nginx", "-e", at("error.log"), "-c", at("nginx.conf"), "-p", this.folder);
    await eventually(() => answers(this.port).catch(() => Promise.reject(new Error(this.#log))));
    return this;
  }

  url(repository: string): string {
    return `https://localhost:${this.port}/${repository}`;
  }

  /** One line for each request that was answered. */
  get requests(): string[] {
    return readFileSync(join(this.folder, "access.log"), "utf8").split("\n").filter(Boolean);
  }

  stop(): void {
    // the workers of fcgiwrap do not end with it: each program is a process group
    for (const { pid } of this.#children) if (pid) process.kill(-pid, "SIGTERM");
  }
}

/** Serves the repositories below a directory by git's own protocol, without authentication. */
export class GitDaemon {
  #child: ChildProcess | undefined;
  port = 0;

  async start(projects: string, port?: number): Promise<this> {
    this.port = port ?? (await freePort());
    const words = ["--export-all", "--reuseaddr", "--listen=127.0.0.1", `--port=${this.port}`];
    // `git daemon` starts a child; git-daemon itself can be ended by its process ID
    this.#child = spawn("/usr/lib/git-core/git-daemon", [...words, `--base-path=${projects}`, projects], {
      stdio: "ignore",
      env: { PATH: process.env.PATH },
    });
    await eventually(() => answers(this.port));
    return this;
  }

  url(repository: string): string {
    return `git://127.0.0.1:${this.port}/${repository}`;
  }

  stop(): void {
    this.#child?.kill("SIGTERM");
  }
}
