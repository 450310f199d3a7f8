/** Builds as people have them: Debian packages, a node application, with what they download kept. */
import { execFileSync } from "node:child_process";
import { realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { takeAptBases } from "../support/apt-bases.ts";
import { Builds } from "../support/builds.ts";

const DEBIAN = `FROM debian
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt,sharing=locked \\
  apt-get update && apt-get install -y --no-install-recommends hello
CMD ["hello", "--greeting", "installed by apt"]
`;

const APPLICATION = (npm: string) => `FROM node AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN --mount=type=cache,target=/root/.npm ${npm}
FROM node
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY main.js .
USER 1000:1000
CMD ["node", "main.js"]
`;

describe("a real build", () => {
  const builds = new Builds();
  const { bay, context, put } = builds;
  const npm = realpathSync(join(execFileSync("npm", ["root", "-g"], { encoding: "utf8" }).trim(), "npm"));
  /** Runs the service and gives what it says. */
  const said = async (service: string) => {
    const { code, err } = await bay.call(["up", "-d", service]);
    if (code !== 0) throw new Error(err);
    bay.ok("wait", service);
    return bay.ok("logs", "--no-log-prefix", service);
  };
  const change = (dockerfile: string) => put("Dockerfile", dockerfile);

  beforeAll(() => {
    takeAptBases(bay);
    bay.write(`name: real
images:
  debian: { apt: { suite: bookworm, packages: [apt, ca-certificates] } }
  node:
    host:
      commands: [node, sh, env]
      files: [${npm}, /etc/ssl/certs]
    config: { environment: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" } }
services:
  packages: { build: { context: ${context} }, restart: "no" }
  application: { build: { context: ${context} }, restart: "no" }
`);
  });
  beforeEach(() => builds.empty());
  afterAll(() => bay.close());

  it("installs Debian packages", async () => {
    change(DEBIAN);
    expect(await said("packages")).toBe("installed by apt\n");
  });

  it("installs a node application's packages, and does not fetch them again", async () => {
    writeFileSync(
      join(context, "package.json"),
      JSON.stringify({ name: "app", version: "1.0.0", dependencies: { "is-number": "7.0.0" } }),
    );
    execFileSync("npm", ["install", "--package-lock-only", "--silent"], { cwd: context });
    put("main.js", 'console.log(require("is-number")(7), process.getuid());\n');
    const ci = `NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt node ${npm}/bin/npm-cli.js ci --prefer-offline --no-audit --no-fund`;
    change(APPLICATION(ci));
    expect(await said("application")).toBe("true 1000\n");
    // another program is another last step alone
    put("main.js", 'console.log("again", require("is-number")("x"));\n');
    const plan = bay.ok("plan", "application");
    expect(plan).toContain("COPY main.js .");
    expect(await said("application")).toBe("again false\n");
    // other packages' file: all anew, without a network
    writeFileSync(
      join(context, "package.json"),
      JSON.stringify({ name: "app", version: "1.0.1", dependencies: { "is-number": "7.0.0" } }),
    );
    change(APPLICATION(ci).replace("RUN ", "RUN --network=none "));
    expect(await said("application")).toBe("again false\n");
  });
});
