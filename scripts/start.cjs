// Runs the command's code, which is in pack.cjs and in large/. scripts/build.mjs copies this file into dist/.
//
// V8 compiles JavaScript at each start. Here the compiled code of a command is kept in dist/code/ when the command has ended
// for the first time (that of bayd some seconds after its start), and later starts of the same command use it. It is kept
// only where the owner of dist/ runs the command, so whoever can write the compiled code can also write the program. V8
// refuses code of another version or with other options; the name of a file holds both, and the pack's digest. V8 does not
// check the bytes, and a changed one can end the process: each file therefore holds the code twice, and is used only if both
// are the same. To compare them is faster than a checksum.
const fs = require("fs");
const { Script } = require("vm");

const PACK = "__PACK__";
const MAX_FILES = 200;
/** Options that stand before the command's name and have a value. */
const WITH_VALUE =
  /^(-f|-p|-H|-c|--(file|project-name|project-directory|env-file|profile|ansi|progress|parallel|workdir|root|run|host|context|tlscacert|tlscert|tlskey))$/;
/** Modules of Node that take long to load, and that most commands import and do not use. */
const LAZY = /^node:(crypto|child_process|zlib|https|tls|timers\/promises)$/;
const words = process.argv.slice(2);
const IS_BAYD = /(^| )daemon run( |$)/.test(words.join(" "));
/** Milliseconds after which bayd keeps its code: it has started, and V8 has not dropped code that it no longer uses. */
const BAYD_STARTED = 10_000;
/** Scripts whose compiled code was not kept yet, and where it will be. */
const toKeep = [];
/** Open files of large/, by path: bayd loads some of them late, when an upgrade may have replaced them. */
const opened = new Map();

if (words[0] === "--version" || words[0] === "-v") process.stdout.write("bay __VERSION__\n");
else start();

function start() {
  if (IS_BAYD) openLarge();
  const url = require("url").pathToFileURL(`${__dirname}/pack.cjs`).href;
  const load = loader(compile("pack.cjs", codeFile())(url), url);
  load("./main.js")
    .run(process.argv)
    .then((exitCode) => {
      process.exitCode = exitCode;
    });
  process.once("exit", (exitCode) => exitCode === 0 && keepAll());
  if (IS_BAYD) setTimeout(keepAll, BAYD_STARTED).unref();
}

function keepAll() {
  for (const [path, script] of toKeep.splice(0)) keepCode(path, script);
}

/** The value of a script in dist/, with its compiled code if that is kept. */
function compile(name, kept) {
  const file = `${__dirname}/${name}`;
  const cachedData = kept && readCode(kept);
  const script = new Script(readSource(file), { filename: file, cachedData });
  if (kept && (cachedData === undefined || script.cachedDataRejected)) toKeep.push([kept, script]);
  return script.runInThisContext();
}

function openLarge() {
  for (const name of fs.readdirSync(`${__dirname}/large`)) {
    const file = `${__dirname}/large/${name}`;
    opened.set(file, fs.openSync(file, "r"));
  }
}

function readSource(file) {
  try {
    return fs.readFileSync(opened.get(file) || file, "latin1");
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
    throw new Error(`${file} does not exist: bay was replaced while this command ran; run the command again`);
  }
}

/** A `require` over the modules of the pack and the large ones; other names are Node's own modules, and koffi. */
function loader(modules, url) {
  const loaded = new Map();
  return function load(name) {
    if (name.charCodeAt(0) !== 46) return LAZY.test(name) ? onFirstUse(name) : require(name);
    let module = loaded.get(name);
    if (module === undefined) {
      module = { exports: {} };
      loaded.set(name, module);
      const define = modules[name] || compile(`large/${name.slice(2)}`, codeNamed(name.slice(2, -3)))(url);
      define(module.exports, load, module);
    }
    return module.exports;
  };
}

/** A module of Node that is loaded when the first of its properties is read. */
function onFirstUse(name) {
  return new Proxy(
    {},
    {
      get: (_, key) => require(name)[key],
      has: (_, key) => key in require(name),
      ownKeys: () => Reflect.ownKeys(require(name)),
      getOwnPropertyDescriptor: (_, key) => {
        const found = Reflect.getOwnPropertyDescriptor(require(name), key);
        return found && { ...found, configurable: true };
      },
    },
  );
}

/** Where the compiled code of this command is kept. None for a word that does not look like a command's name. */
function codeFile() {
  if (IS_BAYD) return codeNamed("bayd");
  let at = 0;
  while (words[at]?.startsWith("-")) at += WITH_VALUE.test(words[at]) ? 2 : 1;
  const command = words[at] || "";
  return /^[a-z]{1,20}$/.test(command) ? codeNamed(command) : undefined;
}

function codeNamed(name) {
  return `${__dirname}/code/${name}-${PACK}-${process.arch}-${versionTag()}`;
}

/** Node's version; with options, which can be V8's own, V8's tag. The module that has the tag takes 3 ms to load. */
function versionTag() {
  const hasOptions = process.execArgv.length > 0 || process.env.NODE_OPTIONS;
  return hasOptions ? require("v8").cachedDataVersionTag().toString(16) : process.version;
}

/** The compiled code in a file; undefined if there is none, or if it is damaged. */
function readCode(path) {
  try {
    const twice = fs.readFileSync(path);
    const once = twice.subarray(0, twice.length / 2);
    return once.equals(twice.subarray(once.length)) ? once : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps what this command compiled. Where that is not possible, the next start compiles again. */
function keepCode(path, script) {
  try {
    if (fs.statSync(__dirname).uid !== process.getuid()) return;
    const folder = `${__dirname}/code`;
    fs.mkdirSync(folder, { recursive: true, mode: 0o755 });
    if (fs.readdirSync(folder).length >= MAX_FILES) fs.rmSync(folder, { recursive: true });
    else {
      const code = script.createCachedData();
      write(path, Buffer.concat([code, code]));
    }
  } catch {
    // a start without it only takes longer
  }
}

/** Atomic, and on the disk before it has its name. */
function write(path, data) {
  const temporary = `${path}.${process.pid}`;
  const file = fs.openSync(temporary, "wx", 0o644);
  try {
    fs.writeSync(file, data);
    fs.fsyncSync(file);
    if (fs.fstatSync(file).size === data.length) fs.renameSync(temporary, path);
  } finally {
    fs.closeSync(file);
    fs.rmSync(temporary, { force: true });
  }
}
