// Refuses a Node.js that is too old, in one line. Every Node.js can read this file: npm runs it before it installs the
// package, and it is the beginning of the command (scripts/build.mjs).
var found = process.versions.node.split(".").map(Number);
if (found[0] < 20 || (found[0] === 20 && found[1] < 19)) {
  console.error(
    "bay needs Node.js 20.19 or newer, and this is " +
      process.versions.node +
      "; on Debian 13: apt-get install nodejs npm; on Debian 12 and Ubuntu: apt-get install npm && npm install -g node@22",
  );
  process.exit(1);
}
