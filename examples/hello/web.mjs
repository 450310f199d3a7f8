// Answers every visit with the count that the store keeps.
import { createServer } from "node:http";

const server = createServer(async (request, response) => {
  if (request.url === "/health") return response.end("ok\n");
  try {
    const answer = await fetch(`${process.env.STORE}/visit`, { method: "POST" });
    response.end(`visit number ${await answer.text()}`);
  } catch (error) {
    response.writeHead(502).end(`the store does not answer: ${error.message}\n`);
  }
  console.log(`${request.method} ${request.url}`);
});
server.listen(8080, () => console.log("web listens on 8080"));
process.on("SIGTERM", () => server.close(() => process.exit(0)));
