// Runs the command's code, which is in pack.cjs and in large/. scripts/build.mjs copies this file into dist/.
//
// V8 compiles JavaScript at each start. Here the compiled code of a command is kept in dist/code/ when the command has ended
// for the first time, and later starts of the same command use it. It is kept only where the owner of dist/ runs the command,
// so whoever can write the compiled code can also write the program. V8 refuses code of another version or with other
// options; the name of a file holds both, and the pack's digest.
const fs = require("fs");
const { Script } = require("vm");

const PACK = "__PACK__";
const MAX_FILES = 200;
/** Options that stand before the command's name and have a value. */
const WITH_VALUE =
  /^(-f|-p|-H|-c|--(file|project-name|project-directory|env-file|profile|ansi|progress|parallel|workdir|root|run|host|context|tlscacert|tlscert|tlskey))$/;
const words = process.argv.slice(2);
/** Scripts whose compiled code was not kept yet, and where it will be. */
const toKeep = [];

if (words[0] === "--version" || words[0] === "-v") process.stdout.write("bay __VERSION__\n");
else start();

function start() {
  const url = require("url").pathToFileURL(`${__dirname}/pack.cjs`).href;
  const load = loader(compile("pack.cjs", codeFile())(url), url);
  load("./main.js")
    .run(process.argv)
    .then((exitCode) => {
      process.exitCode = exitCode;
      if (exitCode === 0) for (const [path, script] of toKeep) keepCode(path, script);
    });
}

/** The value of a script in dist/, with its compiled code if that is kept. */
function compile(name, kept) {
  const file = `${__dirname}/${name}`;
  const cachedData = kept && readCode(kept);
  const script = new Script(fs.readFileSync(file, "latin1"), { filename: file, cachedData });
  if (kept && (cachedData === undefined || script.cachedDataRejected)) toKeep.push([kept, script]);
  return script.runInThisContext();
}

/** A `require` over the modules of the pack and the large ones; other names are Node's own modules, and koffi. */
function loader(modules, url) {
  const loaded = new Map();
  return function load(name) {
    if (name.charCodeAt(0) !== 46) return require(name);
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

/** Where the compiled code of this command is kept. None for a word that does not look like a command's name. */
function codeFile() {
  let at = 0;
  while (words[at]?.startsWith("-")) at += WITH_VALUE.test(words[at]) ? 2 : 1;
  const command = words[at] || "";
  return /^[a-z]{1,20}$/.test(command) ? codeNamed(command) : undefined;
}

function codeNamed(name) {
  const tag = require("v8").cachedDataVersionTag().toString(16);
  return `${__dirname}/code/${name}-${PACK}-${process.arch}-${tag}`;
}

function readCode(path) {
  try {
    return fs.readFileSync(path);
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
    else write(path, script.createCachedData());
  } catch {
    // a start without it only takes longer
  }
}

/** Atomic, and on the disk before it has its name: V8 does not check every byte of what it is given. */
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
