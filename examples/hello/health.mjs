// Exits with 0 where the server on this port answers.
const answer = await fetch(`http://127.0.0.1:${process.argv[2]}/health`);
process.exit(answer.ok ? 0 : 1);
