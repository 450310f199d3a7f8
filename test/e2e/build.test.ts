/** Builds: the language as users write it, the cache, and what happens when a step fails. */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { COMMAND, eventually } from "../support/bay.ts";
import { BASE, Builds } from "../support/builds.ts";

/** The process on the host that runs exactly these words. */
const processOf = (words: string): number | undefined =>
  readdirSync("/proc")
    .map(Number)
    .find((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8") === `${words.replaceAll(" ", "\0")}\0`;
      } catch {
        return false; // it has ended, or is no process
      }
    });

describe("a build", () => {
  const builds = new Builds();
  const { bay, context, put, run, build, inspect, say } = builds;
  beforeEach(() => builds.empty());
  afterAll(() => bay.close());

  it("does what each instruction says", () => {
    put("src/a.txt", "a");
    put("src/sub/b.txt", "b");
    build(
      `FROM base
ARG VERSION=1 OTHER
ENV NAME="two words" PATH_TOO=$PATH:/more
LABEL a=b "c d"="e f"
WORKDIR /srv
WORKDIR below
COPY src/ .
COPY --chown=bob --chmod=640 src/a.txt copied/
ADD src/a.txt src/sub/b.txt /added/
RUN echo "$NAME $VERSION $OTHER" > run && mkdir /empty
EXPOSE 80 90/udp
VOLUME /data
USER bob
STOPSIGNAL SIGINT
HEALTHCHECK --interval=5s CMD true
ENTRYPOINT ["/bin/sh", "-c"]
CMD ["cat run"]
`,
      "--build-arg",
      "VERSION=7",
      "--label",
      "x=y",
    );
    const { Config } = inspect();
    expect(Config).toMatchObject({
      Env: [expect.stringMatching(/^PATH=/), "NAME=two words", expect.stringMatching(/^PATH_TOO=.*:\/more$/)],
      Labels: { a: "b", "c d": "e f", x: "y" },
      WorkingDir: "/srv/below",
      ExposedPorts: { "80/tcp": {}, "90/udp": {} },
      Volumes: { "/data": {} },
      User: "bob",
      StopSignal: "SIGINT",
      Entrypoint: ["/bin/sh", "-c"],
      Cmd: ["cat run"],
    });
    expect(
      say("cat run; id -u; ls -d /empty; cat a.txt sub/b.txt; stat -c '%u:%g %a' copied/a.txt; ls /added"),
    ).toBe("two words 7 \n7\n/empty\nab7:8 640\na.txt\nb.txt\n");
  });

  it("takes from the cache what is the same, and does the rest", () => {
    put("a", "one");
    put("b", "two");
    const file =
      "FROM base\nCOPY a /a\nRUN cat /a > /c && cat /proc/sys/kernel/random/uuid > /when\nCOPY b /b\n";
    build(file);
    const before = inspect().Id;
    const steps = (told: string) => told.match(/CACHED|DONE/g)!;
    // times do not count
    utimesSync(join(context, "a"), 5, 5);
    const again = build(file);
    expect(steps(again)).toEqual(Array(6).fill("CACHED"));
    expect(inspect().Id).toBe(before);
    put("b", "three");
    expect(steps(build(file))).toEqual([...Array(5).fill("CACHED"), "DONE"]);
    put("a", "other");
    expect(steps(build(file)).filter((word) => word === "DONE").length).toBe(3);
    expect(say("cat /c")).toBe("other");
    const when = say("cat /when");
    expect(steps(build(file, "--no-cache")).filter((word) => word === "CACHED")).toEqual([]);
    expect(say("cat /when")).not.toBe(when);
    // bayd may go and come
    bay.ok("daemon", "stop");
    expect(steps(build(file))).toEqual(Array(6).fill("CACHED"));
  });

  it("leaves out what .dockerignore says, and finds files by wildcards", () => {
    for (const name of [
      "keep.txt",
      "drop.log",
      "deep/x.log",
      "deep/keep.log",
      "deep/er/y.txt",
      "node_modules/z",
    ])
      put(name, name);
    put(
      ".dockerignore",
      "# comment\n**/*.log\n!deep/keep.log\nnode_modules\nDockerfile*\n.dockerignore\nbusybox\n",
    );
    put("Dockerfile.dockerignore", "");
    rmSync(join(context, "Dockerfile.dockerignore"));
    bay.ok("image", "ls");
    put("base.Dockerfile", "FROM base2\nCOPY . /all/\nCOPY *.txt deep/?.log* /some/\n");
    put("Dockerfile", BASE);
    rmSync(join(context, ".dockerignore"));
    bay.ok("image", "build", "-t", "base2", "-q", context);
    put(
      ".dockerignore",
      "# comment\n**/*.log\n!deep/keep.log\nnode_modules\n*Dockerfile*\n.dockerignore\nbusybox\n",
    );
    bay.ok("image", "build", "-t", "test:1", "-q", "-f", join(context, "base.Dockerfile"), context);
    expect(say("cd /all && find . -type f | sort; ls /some")).toBe(
      "./deep/er/y.txt\n./deep/keep.log\n./keep.txt\nkeep.txt\n",
    );
  });

  it("has stages that copy from each other, and does those that are needed", () => {
    const told = build(
      `FROM base AS one
RUN echo one > /made
FROM base AS unused
RUN false
FROM base AS two
COPY --from=one /made /from-one
RUN --mount=type=bind,from=one,source=/made,target=/mnt/made cat /mnt/made > /bound
FROM two
COPY --from=0 /etc/passwd /p
`,
    );
    expect(told).not.toContain("unused");
    expect(say("cat /from-one /bound; wc -l < /p; ls -A /mnt 2>/dev/null | wc -l")).toBe("one\none\n2\n0\n");
    build(
      "FROM base AS first\nRUN touch /first\nFROM base AS second\nRUN touch /second\n",
      "--target",
      "first",
    );
    expect(say("ls /first /second 2>&1 | head -1")).toMatch(/\/first|second: No such/);
  });

  it("mounts caches that stay and secrets that do not", () => {
    const [token, word] = [randomBytes(8).toString("hex"), randomBytes(8).toString("hex")];
    writeFileSync(join(bay.folder, "token"), token);
    const file = `FROM base
RUN --mount=type=cache,target=/cache --mount=type=secret,id=token --mount=type=secret,id=word,env=WORD \\
    echo x >> /cache/count; wc -l < /cache/count > /count; cat /run/secrets/token | wc -c > /length; echo \${#WORD} >> /length
RUN --mount=type=tmpfs,target=/scratch touch /scratch/x && ls /run/secrets /scratch 2>&1 | wc -l > /after
`;
    bay.env.WORD = word;
    const options = ["--secret", `id=token,src=${join(bay.folder, "token")}`, "--secret", "id=word,env=WORD"];
    build(file, ...options);
    expect(say("cat /count /length")).toBe("1\n16\n16\n");
    build(file, "--no-cache", ...options);
    expect(say("cat /count")).toBe("2\n");
    bay.ok("image", "save", "-o", "saved.tar", "test:1");
    expect(readFileSync(join(bay.folder, "stack", "saved.tar")).includes(token)).toBe(false);
    const search = `grep -rlE '${token}|${word}' -D skip ${join(bay.folder, "root")} ${join(bay.folder, "run")} || true`;
    expect(execFileSync("sh", ["-c", search], { encoding: "utf8" })).toBe("");
  });

  it("says where it failed, with the last lines, and leaves nothing", () => {
    const { code, err } = run(
      `${BASE}FROM base\nRUN echo before && \\\n    sh -c 'echo the reason >&2; exit 3'\nRUN echo after\n`,
    );
    expect(code).toBe(1);
    expect(err).toContain("Dockerfile:9:1: error: the command ended with exit code 3");
    expect(err).toMatch(/9 \| RUN echo before && \\/);
    expect(err).toMatch(/last lines of output:\n {2}before\n {2}the reason/);
    expect(err).not.toContain("after\n#");
    const rest = readdirSync(join(bay.folder, "root", "layers")).filter((name) => name.startsWith("."));
    expect(rest).toEqual([]);
    const wrong = run("FORM x\nFROM scratch AS a\nCOPI a b\nRUN --mont=x y\nFROM a AS a\nHEALTHCHECK\n");
    for (const word of [
      "Dockerfile:1:1: error: unknown instruction",
      "did you mean FROM?",
      "did you mean COPY?",
      "did you mean --mount?",
      "HEALTHCHECK has no arguments",
    ])
      expect(wrong.err).toContain(word);
    expect(run(`${BASE}COPY absent /x\n`).err).toContain('"absent" does not exist');
    expect(run("FROM scratch\nCOPY ../../etc/passwd /x\n").err).toContain("does not exist");
  });

  it("unpacks archives that are added, and keeps links and modes", () => {
    mkdirSync(join(context, "tree"));
    execFileSync("sh", [
      "-c",
      `cd ${join(context, "tree")} && echo x > f && ln f hard && ln -s f soft && ln -s /etc/passwd out && mkdir d && chmod 750 d && chmod 4755 f && tar -czf ../t.tgz .`,
    ]);
    build(
      "FROM base\nADD t.tgz /unpacked/\nCOPY t.tgz /kept.tgz\nCOPY tree /copied/\nCOPY tree/soft /followed\n",
    );
    expect(
      say(
        "cd /copied && readlink soft; readlink out; stat -c '%a %h' f d; ls /unpacked | wc -l; cat /followed; [ -f /kept.tgz ] && echo kept",
      ),
    ).toMatch(/^f\n\/etc\/passwd\n4755 2\n750 \d\n5\nx\nkept\n$/);
  });

  it("cannot be led out of its context or its image by symlinks", () => {
    mkdirSync(join(bay.folder, "outside"), { recursive: true });
    writeFileSync(join(bay.folder, "outside", "victim"), "untouched");
    execFileSync("ln", ["-s", join(bay.folder, "outside"), join(context, "link")]);
    put("file", "overwritten");
    expect(run(`${BASE}FROM base\nCOPY link/victim /x\n`).err).toContain("does not exist");
    expect(run(`${BASE}FROM base\nRUN --mount=source=link,target=/m cat /m/victim\n`).err).toContain(
      "does not exist",
    );
    put(".dockerignore", "file\n");
    expect(run(`${BASE}FROM base\nCOPY file /x\n`).err).toContain("is excluded by the ignore file");
    rmSync(join(context, ".dockerignore"));
    build(
      `FROM base\nRUN ln -s ${join(bay.folder, "outside")} /out && ln -s ../../../../../../../..${join(bay.folder, "outside")} /rel\nCOPY file /out/victim\nCOPY file /rel/victim\n`,
    );
    expect(readFileSync(join(bay.folder, "outside", "victim"), "utf8")).toBe("untouched");
    expect(readdirSync(join(bay.folder, "outside"))).toEqual(["victim"]);
  });

  it("runs what the base image wants built on it", () => {
    put("Dockerfile", `${BASE}ONBUILD COPY note /note\nONBUILD RUN echo built >> /note\n`);
    put("note", "a note\n");
    bay.ok("image", "build", "-q", "-t", "parent:1", context);
    put("Dockerfile", "FROM parent:1\nCMD x\n");
    bay.ok("image", "build", "-q", "-t", "test:1", context);
    expect(say("cat /note")).toBe("a note\nbuilt\n");
    expect(inspect().Config.OnBuild ?? []).toEqual([]);
  });

  it("of a stack is done by up where it is missing or asked for, and replaces what runs on it", () => {
    put(
      "Dockerfile",
      `${BASE}ARG WORD=none\nCOPY note /note\nRUN echo $WORD >> /note\nCMD ["sleep", "1000"]\n`,
    );
    put("note", "one\n");
    bay.write(
      "name: built\nservices:\n  a: { build: { context: ../context, args: { WORD: given } }, network_mode: none, stop_grace_period: 0s }\n" +
        "  b: { build: { context: ../context, dockerfile_inline: \"FROM own\\nCMD sleep 1000\" }, image: 'mine:2', network_mode: none, stop_grace_period: 0s }\n" +
        "images: { own: { rootfs: ../busybox } }\n",
    );
    bay.busybox();
    expect(bay.ok("plan")).toMatch(/\+ image built-a\n +not built yet/);
    expect(bay.run(["up", "-d", "--no-build"]).err).toContain("is not built");
    bay.ok("up", "-d");
    const note = () => bay.ok("exec", "-T", "a", "cat", "/note");
    const pids = () => Object.fromEntries(bay.ps().map(({ Service, Pid }) => [Service, Pid]));
    expect(note()).toBe("one\ngiven\n");
    expect(
      bay
        .ps()
        .map(({ Image }) => Image)
        .sort(),
    ).toEqual(["built-a", "mine:2"]);
    const before = pids();
    expect(bay.run(["plan", "--detailed-exitcode"]).code).toBe(0);
    put("note", "two\n");
    expect(bay.ok("plan")).toMatch(
      /\+ image built-a\n +the cache is not valid from Dockerfile:\d+ COPY note \/note/,
    );
    expect(bay.ok("plan", "--no-build")).not.toContain("image built-a");
    bay.ok("up", "-d", "--no-build");
    expect(note()).toBe("one\ngiven\n");
    bay.ok("up", "-d");
    expect(note()).toBe("two\ngiven\n");
    expect(pids().a).not.toBe(before.a);
    expect(pids().b).toBe(before.b);
    expect(bay.run(["plan", "--detailed-exitcode"]).code).toBe(0);
    expect(bay.ok("build", "--build-arg", "WORD=other", "a")).toContain("built built-a");
    expect(bay.ok("plan")).toMatch(/services\.a\.image: .* -> /);
    bay.ok("up", "-d");
    expect(note()).toBe("two\nother\n");
    // what changes the config alone is seen too, and what cannot be built
    put(
      "Dockerfile",
      `${BASE}ARG WORD=none\nCOPY note /note\nRUN echo $WORD >> /note\nCMD ["sleep", "1001"]\n`,
    );
    expect(bay.ok("plan")).toMatch(/image built-a\n +the image is outdated/);
    put("Dockerfile", "FORM x\n");
    const broken = bay.run(["plan"]);
    expect([broken.code, broken.out]).toEqual([
      1,
      expect.stringMatching(/image built-a\n +the build would fail: .*unknown instruction/),
    ]);
    expect(JSON.parse(bay.ok("build", "--print", "a"))[0].args).toEqual({ WORD: "given" });
    expect(bay.ok("system", "df")).toMatch(/Build Cache +[1-9]/);
    bay.ok("down", "--rmi", "local");
    put("Dockerfile", "FROM nowhere.invalid/x\n");
    expect(bay.run(["up", "-d", "a"]).err).toMatch(/Dockerfile:1:1: error: nowhere\.invalid/);
    bay.ok("builder", "prune", "-a", "-f");
    expect(bay.ok("system", "df")).toMatch(/Build Cache +0/);
  });

  it("gives the same image again where it is told what time it is", () => {
    put("a", "same");
    const file = "FROM base\nCOPY a /a\nRUN echo x > /made && mkdir /dir\nWORKDIR /work\n";
    const options = ["--no-cache", "--build-arg", "SOURCE_DATE_EPOCH=1600000000"];
    build(file, ...options);
    const first = inspect();
    execFileSync("sleep", ["1.1"]);
    build(file, ...options);
    expect(inspect().Id).toBe(first.Id);
    expect(inspect().RootFS).toEqual(first.RootFS);
    expect(say("stat -c %Y /made /dir /a")).toBe("1600000000\n".repeat(3));
  });

  it("keeps the image that it begins with, whoever removes that meanwhile", async () => {
    put("Dockerfile", `${BASE}RUN echo base > /from-base\n`);
    bay.ok("image", "build", "-q", "-t", "passing:1", context);
    bay.ok("builder", "prune", "-a", "-f");
    const step = `sleep ${10_000_000 + process.pid}`; // no other test has a process of this name
    put("Dockerfile", `FROM passing:1\nRUN touch /first\nRUN ${step} || true\nRUN cat /from-base > /seen\n`);
    const building = bay.call(["image", "build", "-q", "-t", "test:1", context]);
    let sleeper = 0;
    await eventually(() => {
      sleeper = processOf(step) ?? 0;
      expect(sleeper).toBeGreaterThan(0);
    });
    bay.ok("image", "rm", "passing:1");
    bay.ok("image", "prune", "-a", "-f");
    expect(bay.run(["builder", "prune", "-a", "-f"]).err).toContain("a build is running");
    process.kill(sleeper, "SIGTERM");
    expect(await building).toMatchObject({ code: 0 });
    expect(say("cat /seen")).toBe("base\n");
    expect(bay.ok("image", "verify")).toContain("blobs are intact");
  });

  it("copies from stages that follow, takes contexts for stages, and finds circles", () => {
    build(
      "FROM base\nCOPY --from=later /made /made\nFROM base AS later\nRUN echo late > /made\n",
      "--target",
      "1",
    );
    expect(say("cat /made")).toBe("late\n");
    put("other/made", "a context's");
    build(
      "FROM base AS files\nRUN false\nFROM base\nCOPY --from=files made /\n",
      "--build-context",
      `FILES=${context}/other`,
    );
    expect(say("cat /made")).toBe("a context's");
    const wrong = (file: string) => run(`${BASE}${file}`).err;
    expect(wrong("FROM base AS a\nCOPY --from=a /x /x\n")).toMatch(
      /:9:1: error: the stage a depends on itself/,
    );
    expect(wrong("FROM base AS a\nCOPY --from=b /x /x\nFROM a AS b\n")).toMatch(
      /circular dependency between stages: b → a → b/,
    );
  });

  it("checks without building, and says so by its exit code", () => {
    put("Dockerfile", "FROM scratch\nCOPY left /x\nCMD run\n");
    put(".dockerignore", "left\n");
    const checked = bay.run(["image", "build", "--check", context]);
    expect(checked.out).toMatch(/CopyIgnoredFile[\s\S]*JSONArgsRecommended/);
    expect(checked.code).toBe(1);
    put("Dockerfile", "FROM scratch\nCOPY busybox /x\n");
    expect(bay.run(["image", "build", "--check", context])).toMatchObject({
      code: 0,
      out: "no problems found\n",
    });
    // what works is built, and told of in short
    expect(run("FROM scratch\nCOPY busybox /x\nCMD run\n").err).toContain("warning: JSONArgsRecommended");
  });

  it("keeps the folders that sources are in where it is asked to, and changes modes by letters", () => {
    put("deep/er/a", "a");
    put("deep/er/b", "b");
    chmodSync(join(context, "deep"), 0o700);
    chmodSync(join(context, "deep/er"), 0o710);
    build(
      "FROM base\nCOPY --parents deep/er/a deep/*/b /all/\nCOPY --parents deep/./er/a /some/\n" +
        "COPY --parents ./deep/er /whole/\nCOPY --chmod=u=rwX,go=rX deep /modes\n" +
        "COPY --exclude=er/a deep /less\n",
    );
    expect(
      say(
        "find /all /some /whole /modes /less | sort; stat -c '%a %n' /all/deep /some/er /modes/er /modes/er/a",
      ),
    ).toBe(
      "/all\n/all/deep\n/all/deep/er\n/all/deep/er/a\n/all/deep/er/b\n/less\n/less/er\n/less/er/b\n" +
        "/modes\n/modes/er\n/modes/er/a\n/modes/er/b\n/some\n/some/er\n/some/er/a\n" +
        "/whole\n/whole/deep\n/whole/deep/er\n/whole/deep/er/a\n/whole/deep/er/b\n" +
        "700 /all/deep\n710 /some/er\n755 /modes/er\n644 /modes/er/a\n",
    );
    expect(run(`${BASE}FROM base\nCOPY --chmod=wrong deep /x\n`).err).toContain('invalid mode "wrong"');
    expect(run(`${BASE}FROM base\nRUN mkdir -p /x /y && ln -s /y /x/er\nCOPY deep /x\n`).err).toContain(
      '"/x/er" exists and is not a directory',
    );
  });

  it("draws a row for each step on a terminal, with its output while it goes on", () => {
    const file = `${BASE}FROM base\nRUN sleep 0.5; echo shown below; sleep 0.5\nRUN sleep 0.3\nRUN true\n`;
    put("Dockerfile", file);
    const command = `stty cols 100 rows 30; ${process.execPath} ${COMMAND} image build ${context}`;
    const drawn = execFileSync("script", ["-qec", command, "/dev/null"], {
      env: { ...bay.env, NO_COLOR: undefined, TERM: "xterm", COLUMNS: "100" },
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    expect(drawn).toContain("[stage-1 1/3] shown below");
    for (const row of [
      "[stage-1 1/3] RUN sleep",
      "[stage-1 2/3] RUN sleep 0.3",
      "[stage-1 3/3] RUN true",
      "(6/6)",
    ])
      expect(drawn.slice(drawn.lastIndexOf("Building")), row).toContain(row);
  });

  it("keeps a linked copy's layer when what is below it changes", () => {
    put("a", "linked");
    const file = (word: string) =>
      `FROM base\nRUN echo ${word} > /word && mkdir /real && ln -s /real /way\nCOPY --link a /way/a\nRUN cat /way/a /word > /both\n`;
    build(file("one"));
    const told = build(file("two"));
    expect(told).toMatch(/COPY --link a \/way\/a\n#\d+ CACHED/);
    expect(told.match(/DONE/g)?.length).toBe(2);
    // no symlink of the base leads it elsewhere
    expect(say("cat /both; ls /real; stat -c %F /way")).toBe("linkedtwo\ndirectory\n");
  });

  it("builds services side by side, each under its name, and breaks all off when one fails", () => {
    const service = (command: string) =>
      `{ build: { context: ../context, dockerfile_inline: "FROM own\\nRUN ${command}" }, network_mode: none }`;
    const stack = (left: string, right: string) =>
      bay.write(
        `name: many\nimages: { own: { rootfs: ../busybox } }\nservices:\n  left: ${service(left)}\n  right: ${service(right)}\n`,
      );
    bay.busybox();
    // each waits for the other's file, so that one after the other would never end
    const meet = (own: string, other: string) =>
      `--mount=type=cache,target=/c touch /c/${own}; until [ -e /c/${other} ]; do sleep 0.02; done`;
    stack(meet("l", "r"), meet("r", "l"));
    const { code, out, err } = bay.run(["build", "--progress", "plain"]);
    expect(code).toBe(0);
    expect(out).toMatch(/built many-left \([0-9a-f]{12}\)\n/);
    expect(out).toMatch(/built many-right/);
    expect(err).toMatch(/#[01] \[left stage-0 1\/1\] RUN/);
    expect(err).toMatch(/#[01] \[right stage-0 1\/1\] RUN/);
    stack("sleep 0.3; exit 3", "sleep 100000");
    const failed = bay.run(["build", "--progress", "plain"]);
    expect(failed.err).toContain("ended with exit code 3");
    expect(failed.code).not.toBe(0);
  });
});
