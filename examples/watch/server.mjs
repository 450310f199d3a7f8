// Serves pages/, which it reads for each request. `node server.mjs check` is the health check.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";

const VERSION = 1;

if (process.argv[2] === "check") {
  const { ok } = await fetch("http://127.0.0.1:8080/");
  process.exit(ok ? 0 : 1);
}

createServer(async ({ url }, response) => {
  if (url === "/version") return response.end(`${process.env.GREETING} from version ${VERSION}\n`);
  const page = await readFile("pages/index.html").catch(() => undefined);
  response.writeHead(page ? 200 : 404, { "Content-Type": "text/html" });
  response.end(page ?? "no page\n");
}).listen(8080);

process.on("SIGTERM", () => process.exit(0));
