/** Edits as editors and tools make them: each ends with the container's tree equal to the host's. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bay, eventually } from "../support/bay.ts";
import { inContainer, treeOf, Watching } from "../support/watching.ts";

/** Run by a shell in the watched folder, which has the files of BEGIN. */
const EDITS: [title: string, script: string][] = [
  ["a write over a file", "echo new > a.txt"],
  ["an append", "echo more >> a.txt"],
  ["a truncation", ": > a.txt"],
  ["a save by truncation and write (VS Code, nano)", ": > a.txt; echo part >> a.txt; echo rest >> a.txt"],
  [
    "a save by rename (emacs, JetBrains safe write)",
    "echo new > a.txt___jb_tmp___; mv a.txt a.txt___jb_old___; mv a.txt___jb_tmp___ a.txt; rm a.txt___jb_old___",
  ],
  [
    "vim with a backup (backupcopy=no)",
    "touch 4913; rm 4913; echo swap > .a.txt.swp; mv a.txt a.txt~; echo new > a.txt; rm a.txt~ .a.txt.swp",
  ],
  ["vim in place (backupcopy=yes)", "cp a.txt a.txt~; echo new > a.txt; rm a.txt~"],
  [
    "emacs with a lock and an automatic save",
    "ln -s user@host.1:2 .#a.txt; echo x > '#a.txt#'; mv a.txt a.txt~; echo new > a.txt; rm '.#a.txt' '#a.txt#'",
  ],
  ["sed -i", "sed -i s/a/b/ a.txt"],
  ["ten saves without a pause", "for i in 1 2 3 4 5 6 7 8 9 10; do echo $i > a.txt; done"],
  ["a file removed", "rm a.txt"],
  ["a file removed and made again at once", "rm a.txt; echo again > a.txt"],
  ["a file made and removed at once", "echo x > gone; rm gone"],
  ["a file renamed", "mv a.txt b.txt"],
  ["two files exchanged", "mv a.txt x; mv c.txt a.txt; mv x c.txt"],
  ["a mode alone", "chmod 600 a.txt; chmod 755 run.sh"],
  ["the mode of a folder", "chmod 700 dir"],
  ["a folder made with files at once", "mkdir -p new/one/two; echo x > new/one/two/f; echo y > new/g"],
  ["a folder removed", "rm -r dir"],
  [
    "a folder moved in from outside",
    "mkdir -p ../outside/in/deep; echo x > ../outside/in/deep/f; mv ../outside/in .",
  ],
  ["a folder moved out", "mv dir ../outside-again"],
  ["a folder renamed, and a file changed in it", "mv dir folder; echo new > folder/d.txt"],
  [
    "a folder replaced by another of its name",
    "mkdir other; echo x > other/new; mv dir ../away; mv other dir; echo later > dir/later",
  ],
  ["a file replaced by a folder", "rm a.txt; mkdir a.txt; echo x > a.txt/inside"],
  ["a folder replaced by a file", "rm -r dir; echo x > dir"],
  [
    "a symlink made, changed and replaced by a file",
    "ln -s a.txt l; ln -sfn c.txt l; ln -s none dangling; ln -s dir to-dir; ln -s a.txt f; rm f; echo x > f",
  ],
  ["a file replaced by a symlink", "rm a.txt; ln -s c.txt a.txt"],
  ["a hard link", "ln a.txt hard; echo both > hard"],
  ["a large file", "head -c 20000000 /dev/zero > large; echo end >> large"],
  [
    "names with spaces, quotes and other letters",
    "echo x > 'a b'; echo y > \"it's\"; echo z > 'ümläut 漢字'; mkdir ' s '; echo w > ' s /-n'",
  ],
  [
    "git: another branch, and back",
    "git init -q -b main .; git add .; git -c user.name=a -c user.email=b commit -qm one; git checkout -qb two; git rm -q a.txt; echo two > dir/d.txt; echo n > n; git add .; git -c user.name=a -c user.email=b commit -qm two; git checkout -q main; git checkout -q two",
  ],
  [
    "git stash and pop",
    "git init -q -b main .; git add .; git -c user.name=a -c user.email=b commit -qm one; echo changed > a.txt; git -c user.name=a -c user.email=b stash -q; git stash pop -q",
  ],
  [
    "rsync: a temporary file that is renamed",
    "echo new > .a.txt.Xb3d1f; chmod 644 .a.txt.Xb3d1f; mv .a.txt.Xb3d1f a.txt; mkdir -p t; echo y > t/.y.Ab12cd; mv t/.y.Ab12cd t/y",
  ],
  [
    "npm install: a tree that is made, renamed and linked",
    "mkdir -p mods/.pkg-x1/lib mods/.bin; echo m > mods/.pkg-x1/lib/index.js; chmod 755 mods/.pkg-x1/lib/index.js; mv mods/.pkg-x1 mods/pkg; ln -s ../pkg/lib/index.js mods/.bin/pkg",
  ],
  ["a thousand files", "mkdir many; i=0; while [ $i -lt 1000 ]; do echo $i > many/$i; i=$((i+1)); done"],
  ["the watched folder emptied", "rm -rf ./* "],
];

/** Editors and tools themselves, where they are installed. */
const TOOLS: [program: string, title: string, script: string][] = [
  ...["no", "yes", "auto"].map((copy): [string, string, string] => [
    "vim",
    `with a backup and backupcopy=${copy}, twice`,
    `for by in b e; do vim -u NONE -N -i NONE -es -c 'set backup writebackup backupcopy=${copy}' -c "%s/^/$by/" -c wq a.txt; done`,
  ]),
  ["vim", "of a new file in a folder", "vim -u NONE -N -i NONE -es -c 'normal ihello' -c wq dir/new.txt"],
  [
    "npm",
    "install of a package, and uninstall",
    `mkdir ../outside-package; cd ../outside-package; echo '{"name":"own","version":"1.0.0","bin":"cli.js"}' > package.json
echo hi > cli.js; npm pack --silent > /dev/null; cd - > /dev/null; echo '{}' > package.json
npm install --offline --no-audit --no-fund --silent ../outside-package/own-1.0.0.tgz
npm install --offline --no-audit --no-fund --silent ../outside-package/own-1.0.0.tgz other@file:../outside-package/own-1.0.0.tgz
npm uninstall --offline --no-audit --no-fund --silent other`,
  ],
  [
    "rsync",
    "from another folder, with removals",
    "mkdir ../outside-2; cp -r dir ../outside-2; echo n > ../outside-2/n; rsync -a --delete ../outside-2/ .",
  ],
];
const isInstalled = (program: string) =>
  (process.env.PATH ?? "").split(":").some((folder) => existsSync(join(folder, program)));

const BEGIN =
  "echo a > a.txt; echo c > c.txt; mkdir -p dir/sub; echo d > dir/d.txt; echo e > dir/sub/e.txt; echo r > run.sh; chmod 644 run.sh";

/** What a watch leaves out. */
const isLeftOut = (path: string) => /(^|\/)\.git$|~$/.test(path);

describe("edits under watch", () => {
  const bay = new Bay();
  const host = join(bay.folder, "stack", "src");
  let watching: Watching;
  let container: string;
  beforeAll(async () => {
    bay.busybox();
    mkdirSync(host, { recursive: true });
    bay.write(`
name: edits
images: { box: { rootfs: ../busybox } }
services:
  web:
    image: box
    command: sleep 100000
    stop_grace_period: 0s
    network_mode: none
    develop: { watch: [{ path: ./src, action: sync, target: /app, initial_sync: true }] }
`);
    watching = await new Watching(bay).begun();
    container = inContainer(bay, "edits-web-1", "/app");
  });
  afterAll(async () => {
    await watching.stop();
    bay.close();
  });

  const run = (script: string) => execFileSync("bash", ["-ec", script], { cwd: host, stdio: "pipe" });
  const areEqual = () => eventually(() => expect(treeOf(container)).toEqual(treeOf(host, isLeftOut)));

  it.each(EDITS)("%s", async (_title, script) => {
    run("shopt -s dotglob nullglob; rm -rf ./* ../outside* ../away");
    run(BEGIN);
    await areEqual();
    run(script);
    await areEqual();
  });

  for (const [program, title, script] of TOOLS)
    it.skipIf(!isInstalled(program))(`${program} itself: ${title}`, async () => {
      run("shopt -s dotglob nullglob; rm -rf ./* ../outside* ../away");
      run(BEGIN);
      await areEqual();
      run(script);
      await areEqual();
      expect(Object.keys(treeOf(host)).sort()).not.toEqual([]);
    });

  it("a file keeps its inode in the container when it only changes", async () => {
    writeFileSync(join(host, "same"), "one");
    await eventually(() => expect(readFileSync(join(container, "same"), "utf8")).toBe("one"));
    const { ino } = statSync(join(container, "same"));
    for (const text of ["two", "a longer text", "3"]) {
      run(`echo -n '${text}' > other; mv other same`);
      await eventually(() => expect(readFileSync(join(container, "same"), "utf8")).toBe(text));
    }
    expect(statSync(join(container, "same")).ino).toBe(ino);
  });

  it("the watched folder removed and made again", async () => {
    rmSync(host, { recursive: true });
    await eventually(() => expect(treeOf(container)).toEqual({}));
    mkdirSync(host);
    writeFileSync(join(host, "again"), "x");
    await areEqual();
    mkdirSync(join(host, "deep"));
    writeFileSync(join(host, "deep", "f"), "x");
    await areEqual();
  });

  it("reports no failures, and no editors' files", () => {
    expect(watching.of("sync-failed")).toEqual([]);
    const paths = watching.of("sync").flatMap((event) => event.paths);
    expect(paths.filter((path) => /4913|\.swp$|~$|___jb_|#|\.git(\/|$)/.test(path))).toEqual([]);
  });
});
