// A page that says its version; the version `broken` never becomes healthy. Run with `check` it is its own health check.
import { createServer } from "node:http";

const version = process.env.VERSION;

if (process.argv[2] === "check") {
  const { status } = await fetch("http://127.0.0.1:8080/");
  process.exit(status === 200 ? 0 : 1);
}

const server = createServer((_request, response) => {
  response.writeHead(version === "broken" ? 500 : 200, { connection: "close" });
  response.end(`version ${version}\n`);
});
server.listen(8080, () => console.log(`version ${version} is running`));
process.on("SIGTERM", () => server.close(() => process.exit(0)));
