/** Programs that watch their own files: each edit on the host is a reload in the container. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { Bay, eventually } from "../support/bay.ts";
import { Watching } from "../support/watching.ts";

const EDITS = 10;

describe("programs that watch their files", () => {
  const bay = new Bay();
  const source = join(bay.folder, "stack", "src");
  let watching: Watching | undefined;
  afterEach(async () => {
    await watching?.stop();
    bay.run(["down", "-t", "0"]);
  });
  afterAll(() => bay.close());

  const start = async (command: string, packages: string) => {
    mkdirSync(source, { recursive: true });
    bay.write(`name: tools
images: { tools: { host: [${packages}] } }
services:
  app:
    image: tools
    command: ${command}
    working_dir: /app
    stop_grace_period: 0s
    network_mode: none
    volumes: ["../said:/said"]
    develop: { watch: [{ path: src, action: sync, target: /app, initial_sync: true }] }
`);
    mkdirSync(join(bay.folder, "said"), { recursive: true });
    watching = await new Watching(bay).begun();
  };
  const said = () =>
    readFileSync(join(bay.folder, "said", "log"), "utf8")
      .trim()
      .split("\n");
  const put = (name: string, text: string) => writeFileSync(join(source, name), text);
  /** The next edit comes when the program runs with the one before. */
  const edit = async (textOf: (number: number) => string, name: string) => {
    for (let number = 1; number <= EDITS; number++) {
      put(name, textOf(number));
      await eventually(() => expect(said().at(-1)).toBe(String(number)));
    }
    expect(new Set(said()).size).toBe(EDITS + 1);
  };

  it("node --watch reloads for each edit, of the program and of what it imports", async () => {
    const program = `import { appendFileSync } from "node:fs";
import { number } from "./number.mjs";
appendFileSync("/said/log", number + "\\n");
setInterval(() => {}, 1000);
`;
    mkdirSync(source, { recursive: true });
    put("main.mjs", program);
    put("number.mjs", "export const number = 0;\n");
    await start("node --watch main.mjs", "node");
    await eventually(() => expect(said()).toEqual(["0"]));
    await edit((number) => `export const number = ${number};\n`, "number.mjs");
  });
});
