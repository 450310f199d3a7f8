/**
 * Random contexts and Dockerfiles, the same for the same seed: wildcards, ignored files, links, archives, stages,
 * arguments, owners and modes. What buildah is known to do otherwise than BuildKit (dockerfiles.ts) is not used, nor is
 * ADD --chown of an archive, which gives its files the owner in BuildKit from 0.23.
 */

export interface RandomBuild {
  /** A shell script that makes the context in its folder. */
  context: string;
  file: string;
  options: string[];
}

/** Numbers of mulberry32, from 0 up to and without 1. */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const NAMES = ["a", "b", "a.txt", "b.txt", "c.md", ".h"];
const FOLDERS = ["p", "q", "p/q", "p/r", "q/s", "q/s/t"];
const MODES = ["644", "600", "755", "640", "444"];
const FOLDER_MODES = ["755", "700", "750", "711"];
const PATTERNS = ["*", "p", "q/*", "**/*.md", "*.txt", "**/b*", "p/q", "q/s/*", "*/*.txt", ".h"];
const KEPT = ["!p/a", "!q/s/t", "!**/a.txt", "!p/q/b", "!*.md"];
const SOURCES = [
  "a",
  "b.txt",
  "p",
  "q",
  "q/s",
  "p/q",
  ".",
  "p/",
  "*",
  "*.txt",
  "p/*",
  "*/a*",
  "p/*/b*",
  "q/s/t",
];
const TARGETS = ["/x/", "/x/y/", "w/", "./", "/old/", "/links/out/"];
const OWNERS = ["7:8", "bob", "bob:users", "55", "0:100"];

export function randomBuild(seed: number): RandomBuild {
  const random = randomNumbers(seed);
  const below = (count: number) => Math.floor(random() * count);
  const one = <T>(list: readonly T[]): T => list[below(list.length)]!;
  const some = <T>(list: readonly T[], count: number): T[] => Array.from({ length: count }, () => one(list));
  const chance = (share: number) => random() < share;

  const lines = FOLDERS.filter(() => chance(0.7)).map(
    (path) => `mkdir -p ${path}; chmod ${one(FOLDER_MODES)} ${path}`,
  );
  for (const folder of ["", ...FOLDERS])
    for (const name of NAMES)
      if (chance(0.5)) {
        const path = folder ? `${folder}/${name}` : name;
        const mode = one(MODES);
        lines.push(`[ ! -d "${folder || "."}" ] || { echo ${path} > ${path}; chmod ${mode} ${path}; }`);
      }
  for (const [name, to] of [
    ["link", one(["a", "b.txt", "p", "nowhere"])],
    ["p/up", one(["../a", "../q", "/etc/passwd"])],
  ])
    if (chance(0.6)) lines.push(`[ -d p ] && ln -s ${to} ${name} || true`);
  lines.push(
    "mkdir -p .pack/in; cd .pack; echo f > in/f; chmod 640 in/f; chown 77:88 in/f; ln -s in/f l",
    `ln -s ${one(["in", "in/../in", "../..", "nowhere"])} down; ln in/f hard; chmod ${one(FOLDER_MODES)} in`,
    "tar -cf ../archive.tar --owner=5 --group=6 in l down hard; cd ..; rm -rf .pack",
  );
  if (chance(0.6))
    lines.push(
      `printf '%s\\n' ${[...some(PATTERNS, 2), ...some(KEPT, below(3))].map((text) => `'${text}'`).join(" ")} archive-not > .dockerignore`,
    );

  const copy = () => {
    const flags = [chance(0.3) ? `--chown=${one(OWNERS)}` : "", chance(0.2) ? `--chmod=${one(MODES)}` : ""];
    return `COPY ${flags.filter(Boolean).join(" ")} ${some(SOURCES, 1 + below(2)).join(" ")} ${one(TARGETS)}`;
  };
  const step = (): string => {
    switch (below(9)) {
      case 0:
        return `RUN mkdir -p /old/a && chmod ${one(FOLDER_MODES)} /old && chown ${one(["3:4", "0:0"])} /old`;
      case 1:
        return `WORKDIR ${one(["/work", "sub", "../up", "/old/deep", "/"])}`;
      case 2:
        return `USER ${one(["bob", "nosuch", "12:34", "root"])}\nWORKDIR ${one(["/made", "/made/by"])}\nUSER root`;
      case 3:
        return `ARG V=${one(["1", "2"])}\nRUN echo "[$V] [$W]" >> /arguments`;
      case 4:
        return `ADD archive.tar ${one(["/unpacked", "/x/", "/old/"])}`;
      case 5:
        return "RUN rm -rf /x/p /old/a; mkdir -p /x; echo new > /x/new";
      case 6:
        return "RUN mkdir -p /real /links; [ -e /links/out ] || ln -s /real /links/out";
      default:
        return copy();
    }
  };
  const stage = (count: number) => Array.from({ length: count }, step).join("\n");
  const middle = chance(0.5) ? "FROM one AS two" : "FROM base AS two";
  const file = [
    "ARG W=global",
    "FROM base AS one",
    chance(0.5) ? "ARG V=one W" : "ENV V=env",
    stage(3),
    `RUN mkdir -p /given/sub && echo g > /given/g && echo s > /given/sub/s && chmod ${one(FOLDER_MODES)} /given/sub && ln -s sub /given/l && chown -R 5:6 /given/sub`,
    middle,
    stage(3),
    `COPY ${chance(0.4) ? `--chown=${one(OWNERS)} ` : ""}--from=one ${one(["/given", "/given/", "/given/*", "/given/sub", "/given/l"])} ${one(["/taken/", "/x/taken/"])}`,
    stage(2),
  ].join("\n");
  const options = chance(0.5) ? ["--build-arg", `V=${one(["given", ""])}`] : [];
  return { context: lines.join("\n"), file: `${file}\n`, options };
}
