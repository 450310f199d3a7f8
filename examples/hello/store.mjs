// Keeps one number in /data, so that it outlives the container.
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";

const file = "/data/count";
let count = existsSync(file) ? Number(readFileSync(file, "utf8")) : 0;

const server = createServer((request, response) => {
  if (request.method === "POST" && request.url === "/visit") {
    count += 1;
    writeFileSync(`${file}.new`, String(count));
    renameSync(`${file}.new`, file);
  }
  response.end(`${count}\n`);
});
server.listen(7000, () => console.log(`store listens on 7000, count ${count}`));
process.on("SIGTERM", () => server.close(() => process.exit(0)));
