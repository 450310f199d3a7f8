/**
 * Dockerfiles that bay and buildah both build, for the same tree and the same config. Where BuildKit does as bay and
 * buildah otherwise, the difference is written down with its reason.
 */

export interface Case {
  name: string;
  /** After `FROM base`, unless it has a FROM of its own. */
  file: string;
  /**  */
  /** Lines of what the two give differently (compare.test.ts), or that buildah cannot build it. */
  differs?: ({ lines: RegExp; unbuildable?: never } | { lines?: never; unbuildable: true }) & {
    because: string;
  };
  options?: string[];
}

/** The context of all cases, made by a shell in its folder. */
export const CONTEXT = `
printf one > a; printf two > b; printf exe > run.sh; chmod 755 run.sh; printf s > setuid; chmod 4711 setuid
printf private > private; chmod 600 private; chown 1234:4321 b
mkdir -p dir/sub/deep empty tree/one tree/two many; printf x > dir/x; printf y > dir/sub/y; printf z > dir/sub/deep/z
chmod 700 dir/sub; printf h > .hidden; printf d > dir/.dot; printf 1 > tree/one/f; printf 2 > tree/two/f
printf "sp" > "with space"; printf q > 'quo"te'; printf dollar > 'do$lar'; printf br > '[x]'
ln -s a link; ln -s dir dirlink; ln -s nowhere broken; ln -s /etc/passwd absolute; ln -s ../../x dir/sub/up
printf hard > hard1; ln hard1 hard2; mkdir links; printf l > links/f; ln links/f links/g
for i in 1 2 3 10; do printf $i > many/f$i.txt; done; printf n > many/note.md
mkdir -p packed/in; printf p > packed/in/p; ln -s in/p packed/l; chown -R 77:88 packed/in; chmod 640 packed/in/p
tar -C packed -cf archive.tar in l; tar -C packed -czf archive.tar.gz in l
tar -C packed -cjf archive.tar.bz2 in l; tar -C packed -cJf archive.tar.xz in l; gzip -c a > plain.gz
mkdir ignored; printf i > ignored/f; printf k > ignored/keep; printf "ignored/*\\n!ignored/keep\\n*.tmp\\n" > .dockerignore
printf t > x.tmp; mkfifo fifo; printf "%s" "" > nothing
`;

export const CASES: Case[] = [
  // COPY: where things go
  { name: "a file to a name", file: "COPY a /x" },
  { name: "a file into a folder that is not there", file: "COPY a /x/" },
  { name: "a file to a name in folders that are not there", file: "COPY a /x/y/z" },
  { name: "a file into a folder that is there", file: "RUN mkdir /x\nCOPY a /x" },
  { name: "a file over a file", file: "RUN echo old > /x; chmod 777 /x; chown 5 /x\nCOPY a /x" },
  { name: "a file to the root", file: "COPY a /" },
  { name: "two files", file: "COPY a b /x/" },
  { name: "a folder's contents to a name", file: "COPY dir /x" },
  { name: "a folder's contents with slashes", file: "COPY dir/ /x/" },
  { name: "a folder's contents with a dot", file: "COPY dir/. /x" },
  { name: "a folder's contents to the root", file: "COPY tree /" },
  {
    name: "a folder over a folder",
    file: "RUN mkdir -p /x/sub && echo o > /x/old && chmod 711 /x/sub && chown 9 /x/sub\nCOPY dir /x",
  },
  { name: "a folder and a file", file: "COPY dir a /x/" },
  { name: "two folders", file: "COPY dir tree /x/" },
  {
    name: "everything",
    file: "COPY . /all",
    differs: {
      lines: /setuid: bay "file 4711|fifo/,
      because: "buildah drops the setuid bit of a context's files; BuildKit keeps modes",
    },
  },
  { name: "an empty folder", file: "COPY empty /x" },
  { name: "an empty file", file: "COPY nothing /x" },
  {
    name: "relative to the working folder",
    file: "WORKDIR /srv/app\nCOPY a .\nCOPY b sub/\nCOPY dir ../beside",
  },
  { name: "relative without a working folder", file: "COPY a x\nCOPY b y/" },
  { name: "above the context", file: "COPY ../a /x\nCOPY /b /y" },
  { name: "a target with dots", file: "COPY a /x/../y/./z" },
  { name: "a target with slashes", file: "COPY a //x//y" },
  // COPY: links
  { name: "a link to a file", file: "COPY link /x" },
  { name: "a link to a folder", file: "COPY dirlink /x" },
  { name: "a link to a folder with a slash", file: "COPY dirlink/ /x/" },
  { name: "links in a folder", file: "COPY dir/sub /x" },
  { name: "into a link to a folder", file: "RUN mkdir /real && ln -s /real /x\nCOPY a /x/" },
  { name: "into a link to a folder without a slash", file: "RUN mkdir /real && ln -s /real /x\nCOPY a /x" },
  {
    name: "over a link to a file",
    file: "RUN echo o > /real && ln -s /real /x\nCOPY a /x",
    differs: {
      lines: /^.(real|x):/,
      because: "BuildKit writes to where the link leads, buildah in its place",
    },
  },
  {
    name: "over a link that leads nowhere",
    file: "RUN ln -s /nowhere /x\nCOPY a /x",
    differs: { lines: /^.nowhere/, because: "BuildKit makes the file that the link names, buildah a folder" },
  },
  { name: "a folder over a link to a folder", file: "RUN mkdir /real && ln -s /real /x\nCOPY dir /x" },
  { name: "below a link in the middle", file: "RUN mkdir /real && ln -s /real /x\nCOPY a /x/y/z" },
  { name: "hard links", file: "COPY links /x\nCOPY hard1 hard2 /y/" },
  // COPY: wildcards and names
  { name: "wildcards", file: "COPY many/*.txt /x/" },
  { name: "one character", file: "COPY many/f?.txt /x/" },
  { name: "a class", file: "COPY many/f[1-2].txt /x/" },
  { name: "a wildcard for a folder", file: "COPY tre* /x/" },
  { name: "a wildcard in the middle", file: "COPY tree/*/f /x/" },
  { name: "a wildcard with one match and no slash", file: "COPY many/f10* /x" },
  { name: "names with spaces", file: 'COPY ["with space", "/x y"]' },
  {
    name: "an escaped bracket",
    file: "COPY \\[x] /x",
    differs: {
      unbuildable: true,
      because: "buildah does not find what BuildKit finds by Go's rules for wildcards",
    },
  },
  { name: "variables in names", file: "ARG NAME=a\nENV TO=/x\nCOPY $NAME ${TO}/${NAME:+y}" },
  // COPY: owners and modes
  {
    name: "modes are kept",
    file: "COPY run.sh private setuid /x/",
    differs: {
      lines: /setuid: bay "file 4711/,
      because: "buildah drops the setuid bit of a context's files; BuildKit keeps modes",
    },
  },
  { name: "owners are root's", file: "COPY b /x" },
  { name: "chown by number", file: "COPY --chown=12:34 dir /x" },
  { name: "chown by name", file: "COPY --chown=bob:users a /x" },
  {
    name: "chown by name alone",
    file: "COPY --chown=bob a /x/y",
  },
  { name: "chown by number alone", file: "COPY --chown=55 a /x" },
  { name: "chmod of a file", file: "COPY --chmod=640 a /x" },
  { name: "chmod of a folder", file: "COPY --chmod=750 dir /x" },
  {
    name: "chmod in letters",
    file: "COPY --chmod=u=rwX,go=rX dir /x",
    differs: { unbuildable: true, because: "this buildah takes numbers alone; BuildKit takes letters too" },
  },
  { name: "the user does not matter", file: "USER bob\nCOPY a /x\nWORKDIR /made\nCOPY b ." },
  // what is left out
  { name: "what is ignored", file: "COPY ignored /x" },
  {
    name: "a pattern that is ignored",
    file: "COPY . /all\nRUN ls /all/x.tmp 2>/dev/null; rm -f /all/fifo",
    differs: {
      lines: /setuid: bay "file 4711/,
      because: "buildah drops the setuid bit of a context's files; BuildKit keeps modes",
    },
  },
  {
    name: "exclude",
    file: "COPY --exclude=*.txt --exclude=note* many /x",
    differs: { unbuildable: true, because: "this buildah has no --exclude" },
  },
  {
    name: "parents",
    file: "COPY --parents dir/sub/y tree/./one/f /x/",
    differs: { unbuildable: true, because: "this buildah has no --parents" },
  },
  // ADD
  { name: "add a file", file: "ADD a /x/" },
  { name: "add an archive", file: "ADD archive.tar /x" },
  {
    name: "add archives that are packed",
    file: "ADD archive.tar.gz /g/\nADD archive.tar.bz2 /b/\nADD archive.tar.xz /x/",
  },
  {
    name: "add an archive into a folder that is there",
    file: "RUN mkdir -p /x/in && echo o > /x/in/p && echo o > /x/in/o\nADD archive.tar /x",
  },
  { name: "add an archive and a file", file: "ADD archive.tar a /x/" },
  { name: "add what is packed and no archive", file: "ADD plain.gz /x/" },
  { name: "copy an archive", file: "COPY archive.tar.gz /x/" },
  {
    name: "add an archive in a folder",
    file: "ADD . /x\nRUN rm -f /x/fifo",
    differs: {
      lines: /setuid: bay "file 4711/,
      because: "buildah drops the setuid bit of a context's files; BuildKit keeps modes",
    },
  },
  { name: "add with an owner", file: "ADD --chown=3:4 a dir /x/" },
  // RUN, whiteouts
  { name: "a file that goes", file: "COPY dir /x\nRUN rm /x/x" },
  { name: "a folder that goes", file: "COPY dir /x\nRUN rm -r /x/sub" },
  { name: "a folder that is made anew", file: "COPY dir /x\nRUN rm -r /x && mkdir /x && echo n > /x/n" },
  { name: "a file that becomes a folder", file: "COPY a /x\nRUN rm /x && mkdir /x && echo n > /x/n" },
  { name: "a folder that becomes a file", file: "COPY dir /x\nRUN rm -r /x && echo n > /x" },
  { name: "copied over what went", file: "COPY dir /x\nRUN rm -r /x/sub\nCOPY dir/sub /x/sub" },
  { name: "modes and owners that change", file: "COPY dir /x\nRUN chmod 4755 /x/x && chown -R 7:8 /x/sub" },
  { name: "special files", file: "RUN mkfifo /f && ln -s a /l && chmod 4755 /bin && chmod 1777 /home" },
  { name: "a renamed folder", file: "COPY dir /x\nRUN mv /x /y" },
  {
    name: "here-documents",
    file: 'RUN <<EOF\necho "$0" > /shell\nfor i in 1 2; do echo $i; done > /numbers\nEOF\nRUN <<A cat > /cat\n$HOME stays\nA',
    differs: { unbuildable: true, because: "this buildah has no here-documents" },
  },
  {
    name: "here-documents of files",
    file: "ARG WHO=world\nCOPY <<one.txt <<'two.txt' /x/\nhello $WHO\none.txt\nhello $WHO\ntwo.txt\nCOPY <<-EOF /tabs\n\t\tin\n\tEOF",
    differs: { unbuildable: true, because: "this buildah has no here-documents" },
  },
  {
    name: "another shell",
    file: 'SHELL ["/bin/busybox", "sh", "-ec"]\nRUN echo $0 > /x; false || true\nCMD run\nENTRYPOINT enter',
    differs: {
      lines: /^(Cmd|Entrypoint):/,
      because: "CMD and ENTRYPOINT run by what SHELL says in BuildKit, and by /bin/sh in buildah",
    },
  },
  {
    name: "the environment of a step",
    file: "ARG A=1 B\nENV C=3 A=4\nRUN env | grep -E '^[A-C]=' | sort > /env",
  },
  { name: "a step's user", file: "USER bob:users\nRUN id > /tmp/id; touch /tmp/mine" },
  { name: "a step's folder", file: "WORKDIR /a/b\nRUN pwd > where; touch x" },
  // WORKDIR, USER, VOLUME
  { name: "workdirs", file: "WORKDIR /one\nWORKDIR two\nWORKDIR ../three\nENV D=four\nWORKDIR $D/five" },
  { name: "a workdir that is there", file: "RUN mkdir /x && chmod 700 /x && chown 5 /x\nWORKDIR /x" },
  {
    name: "a workdir as a user",
    file: "USER bob\nWORKDIR /home/bob/app",
  },
  { name: "a workdir below a link", file: "RUN mkdir /real && ln -s /real /x\nWORKDIR /x/y" },
  {
    name: "changes after a volume",
    file: "VOLUME /data\nRUN echo lost > /data/x; mkdir -p /data\nCOPY a /data/a",
  },
  {
    name: "volumes",
    file: 'VOLUME /a /b\nVOLUME ["/c d"]',
    differs: {
      lines: /^.(a|b|c d):/,
      because: "buildah makes the folders of volumes; BuildKit leaves that to who runs the image",
    },
  },
  // the config
  {
    name: "environment",
    file: "ENV A=1 B=\"two words\" C='$A' D=$A-${B} E=\\$A\nENV OLD the rest of it\nENV A=9 F=$A",
  },
  { name: "labels", file: 'LABEL a=b "c.d"="e f" g=$PATH\nLABEL a=c' },
  {
    name: "ports",
    file: "EXPOSE 80 81/tcp 82/UDP\nEXPOSE 90-92",
    differs: {
      lines: /^ExposedPorts:/,
      because: "BuildKit writes protocols in small letters and ranges port by port",
    },
  },
  { name: "commands", file: 'CMD ["a", "b c"]\nENTRYPOINT ["e"]' },
  { name: "an entrypoint behind the base's command", file: 'CMD ["a"]\nFROM 0\nENTRYPOINT ["e"]' },
  { name: "commands by a shell", file: "ENTRYPOINT e $HOME\nCMD c" },
  { name: "no commands", file: "CMD []\nENTRYPOINT []" },
  {
    name: "a health check",
    file: "HEALTHCHECK --interval=5s --timeout=3s --start-period=1m --retries=4 CMD test -e /x",
  },
  { name: "a health check as words", file: 'HEALTHCHECK CMD ["test", "-e", "/x"]' },
  { name: "no health check", file: "HEALTHCHECK CMD a\nHEALTHCHECK NONE" },
  { name: "a stop signal", file: "STOPSIGNAL SIGKILL" },
  { name: "a user", file: "USER 12:34" },
  { name: "triggers", file: "ONBUILD COPY a /x\nONBUILD RUN echo $HOME" },
  { name: "a maintainer", file: "MAINTAINER me <me@here>" },
  // stages and arguments
  {
    name: "stages",
    file: "COPY dir /d\nFROM base AS two\nCOPY --from=0 /d/sub /x\nFROM scratch\nCOPY --from=two /x /y\nCOPY --from=0 /d/x /z",
  },
  {
    name: "a stage of a stage",
    file: "ENV A=1\nWORKDIR /w\nUSER bob\nFROM 0\nRUN pwd > /tmp/x; id -un >> /tmp/x; echo $A >> /tmp/x",
  },
  {
    name: "owners of another stage",
    file: "RUN mkdir /d && touch /d/f && chown 7:8 /d /d/f && chmod 2750 /d && chmod 604 /d/f\nFROM base\nCOPY --from=0 /d /x\nCOPY --from=0 --chown=bob /d/f /y",
  },
  {
    name: "links of another stage",
    file: "RUN mkdir -p /d/e && ln -s e /d/l && ln -s /d/e /d/m && echo f > /d/e/f && ln /d/e/f /d/g\nFROM base\nCOPY --from=0 /d /x\nCOPY --from=0 /d/l /y\nCOPY --from=0 /d/m/f /z",
  },
  { name: "a whole stage", file: "RUN echo x > /etc/own\nFROM scratch\nCOPY --from=0 / /" },
  {
    name: "arguments",
    file: "ARG A=1\nRUN echo $A > /a\nARG A=2\nRUN echo $A > /b\nENV A=3\nRUN echo $A > /c\nARG A=4\nRUN echo $A > /d",
  },
  {
    name: "arguments before FROM",
    file: "ARG TAG=base\nARG V=1\nFROM $TAG\nRUN echo [$V] > /a\nARG V\nRUN echo [$V] > /b",
  },
  {
    name: "arguments of the command line",
    file: "ARG A=1\nARG B\nENV E=$A-$B\nRUN echo $A $B > /x",
    options: ["--build-arg", "A=7", "--build-arg", "B=8"],
  },
  {
    name: "arguments of platforms",
    file: "ARG TARGETARCH\nARG TARGETOS BUILDPLATFORM\nRUN echo $TARGETOS/$TARGETARCH $BUILDPLATFORM > /x",
  },
  {
    name: "modifiers",
    file: 'ENV A=abc\nENV B=${A:-x} C=${N:-y} D=${A:+z} E=${N:+z} F="${A}d"\nCOPY a /${A}/',
  },
  {
    name: "a target",
    file: "COPY a /a\nFROM base AS mid\nCOPY b /b\nFROM base\nCOPY a /last",
    options: ["--target", "mid"],
  },
  { name: "FROM scratch", file: "FROM scratch\nCOPY a /\nENV A=1" },
  { name: "continued lines", file: "RUN echo one \\\n# between\n  two \\\n  > /x\nENV A=1 \\\n    B=2" },
  {
    name: "another escape character",
    file: "# escape=`\nFROM base\nRUN echo one `\n two > /x\nENV A=c:\\d",
    differs: { lines: /^Env:/, because: "with another escape character BuildKit leaves a backslash alone" },
  },
];
