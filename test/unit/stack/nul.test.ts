import { expect, it } from "vitest";
import { problemsOf } from "../../support/stack.ts";

it.each([
  ['services: { a: { image: "x\\0y" } }', "bay.yaml:1:25"],
  ['services: { a: { image: x, command: ["a\\0b"] } }', "bay.yaml:1:38"],
  ['services: { a: { image: x, environment: { A: "b\\0c" } } }', "bay.yaml:1:46"],
  ['services: { a: { image: x, environment: { "A\\0": b } } }', "bay.yaml:1:43"],
  ['services: { a: { image: x, env_file: "a\\0b" } }', "bay.yaml:1:38"],
  ['services: { a: { image: x, volumes: ["./x\\0y:/z"] } }', "bay.yaml:1:38"],
  ['services: { a: { image: x } }\nsecrets: { s: { file: "\\0word" } }', "bay.yaml:2:23"],
  ['services: { a: { build: "x\\0y" } }', "bay.yaml:1:25"],
  ['include: ["a\\0b"]\nservices: { a: { image: x } }', "bay.yaml:1:11"],
])("refuses a NUL character at its place: %s", (text, place) => {
  const problems = problemsOf(`${text}\n`);
  expect(problems).toContain(`${place}: error: a NUL character is not allowed in a stack file`);
});
