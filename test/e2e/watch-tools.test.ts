/** Programs that watch their own files: each edit on the host is a reload in the container. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { Bay, eventually } from "../support/bay.ts";
import { debianFiles } from "../support/debian-files.ts";
import { HmrClient } from "../support/hmr-client.ts";
import { npmFiles } from "../support/npm-files.ts";
import { Watching } from "../support/watching.ts";

const EDITS = 10;
const FLASK = ["flask", "werkzeug", "jinja2", "markupsafe", "itsdangerous", "click", "blinker", "watchdog"];
const PYTHON = "/usr/bin/python3";
const nodemon = npmFiles("nodemon", "3.1.14");
const flask = existsSync(PYTHON)
  ? debianFiles(
      "flask",
      FLASK.map((name) => `python3-${name}`),
      "usr/lib/python3/dist-packages/watchdog",
    )
  : { missing: `${PYTHON} does not exist` };
const webpack = npmFiles("webpack", "5.102.1");
const django = existsSync(PYTHON)
  ? debianFiles(
      "django",
      ["python3-django", "python3-asgiref", "python3-sqlparse"],
      "usr/lib/python3/dist-packages/django",
    )
  : { missing: `${PYTHON} does not exist` };
/** Programs of vite, with the libraries that they need; Python needs one of them as well to end a thread. */
const natives = readdirSync("node_modules/@rollup")
  .filter((name) => name.endsWith("-gnu"))
  .flatMap((name) => {
    const folder = resolve("node_modules/@rollup", name);
    return readdirSync(folder).flatMap((file) => (file.endsWith(".node") ? [join(folder, file)] : []));
  });
const python = (code: string) => execFileSync(PYTHON, ["-c", code], { encoding: "utf8" }).trim();

describe("programs that watch their files", () => {
  const bay = new Bay();
  const source = join(bay.folder, "stack", "src");
  let watching: Watching | undefined;
  beforeEach(() => mkdirSync(source, { recursive: true }));
  afterEach(async () => {
    await watching?.stop();
    bay.run(["down", "-t", "0"]);
    rmSync(source, { recursive: true });
    rmSync(join(bay.folder, "said"), { recursive: true });
  });
  afterAll(() => bay.close());

  const start = async (command: string, files: string, more = "", volumes: string[] = []) => {
    bay.write(`name: tools
images: { tools: { host: [${files}] } }
services:
  app:
    image: tools
    command: ${command}
    working_dir: /app
    stop_grace_period: 0s
${more || "    network_mode: none"}
    volumes: ${JSON.stringify(["../said:/said", ...volumes])}
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
    put("main.mjs", program);
    put("number.mjs", "export const number = 0;\n");
    await start("node --watch main.mjs", "node");
    await eventually(() => expect(said()).toEqual(["0"]));
    await edit((number) => `export const number = ${number};\n`, "number.mjs");
  });

  describe.skipIf("missing" in nodemon)(
    `nodemon${"missing" in nodemon ? ` (not available: ${nodemon.missing})` : ""}`,
    () => {
      it("reloads for each edit", async () => {
        const folder = "folder" in nodemon ? nodemon.folder : "";
        put(
          "main.js",
          `require("node:fs").appendFileSync("/said/log", require("./number.js") + "\\n");
setInterval(() => {}, 1000);
`,
        );
        put("number.js", "module.exports = 0;\n");
        await start(
          "node /modules/node_modules/nodemon/bin/nodemon.js --verbose --delay 50ms main.js",
          "node, sh, ps, kill",
          "    network_mode: none\n    init: true",
          [`${folder}:/modules:ro`],
        );
        await eventually(() => expect(said()).toEqual(["0"]));
        // it does not see a change before that
        await eventually(() => expect(bay.ok("logs", "app")).toMatch(/watching \d+ file/));
        await edit((number) => `module.exports = ${number};\n`, "number.js");
      });
    },
  );

  describe.skipIf("missing" in webpack)(
    `webpack${"missing" in webpack ? ` (not available: ${webpack.missing})` : ""}`,
    () => {
      it("builds again for each edit", async () => {
        const folder = "folder" in webpack ? webpack.folder : "";
        put("main.js", 'globalThis.number = require("./number.js");\n');
        put("number.js", "module.exports = 0;\n");
        put(
          "build.cjs",
          `const { appendFileSync, readFileSync } = require("node:fs");
const options = { mode: "none", context: "/app", entry: "./main.js", output: { path: "/tmp/out" } };
require("/modules/node_modules/webpack")(options).watch({ aggregateTimeout: 20 }, () => {
  eval(readFileSync("/tmp/out/main.js", "utf8"));
  appendFileSync("/said/log", globalThis.number + "\\n");
});
`,
        );
        await start("node build.cjs", "node", "    network_mode: none", [`${folder}:/modules:ro`]);
        await eventually(() => expect(said()).toEqual(["0"]));
        await edit((number) => `module.exports = ${number};\n`, "number.js");
      });
    },
  );

  it("vite replaces the module in a browser for each edit", async () => {
    put("index.html", '<script type="module" src="/main.js"></script>\n');
    const program = (number: number) => `export const number = ${number};\nimport.meta.hot.accept();\n`;
    put("main.js", program(0));
    put(
      "serve.mjs",
      `import { createServer } from "/modules/node_modules/vite/dist/node/index.js";
const server = { host: true, port: 80 };
await (await createServer({ root: "/app", configFile: false, cacheDir: "/tmp/vite", server })).listen();
`,
    );
    await start("node serve.mjs", `node, ${natives.join(", ")}`, '    ports: ["127.0.0.1::80"]', [
      `${resolve("node_modules")}:/modules/node_modules:ro`,
    ]);
    const base = () => `http://${bay.ok("port", "app", "80").trim()}`;
    await eventually(async () => expect((await fetch(base())).status).toBe(200));
    const client = await HmrClient.connect(base());
    // a browser has loaded the module
    await eventually(async () =>
      expect(await (await fetch(`${base()}/main.js`)).text()).toContain("number = 0"),
    );
    for (let number = 1; number <= EDITS; number++) {
      put("main.js", program(number));
      const updates = () => client.messages.filter(({ type }) => type === "update").length;
      await eventually(() => expect(updates()).toBe(number));
      expect(await (await fetch(`${base()}/main.js?t=${number}`)).text()).toContain(`number = ${number};`);
    }
    client.close();
    expect(client.messages.filter(({ type }) => type === "full-reload")).toEqual([]);
  });

  describe.skipIf("missing" in django)(
    `Django of Debian${"missing" in django ? ` (not available: ${django.missing})` : ""}`,
    () => {
      it("reloads for each edit", async () => {
        const library = python("import os; print(os.path.dirname(os.__file__))");
        const ctypes = python("import _ctypes; print(_ctypes.__file__)");
        const modules = "/usr/lib/python3/dist-packages";
        const folder = "folder" in django ? join(django.folder, modules) : "";
        put(
          "main.py",
          `import sys
sys.path.append("/django")
import django.utils.autoreload as autoreload
from django.conf import settings
from django.core.management import execute_from_command_line
from number import number

class Reloader(autoreload.StatReloader):
    SLEEP_TIME = 0.1
    has_said = False
    # a change before the first look is one that Django does not see
    def snapshot_files(self):
        yield from super().snapshot_files()
        if not self.has_said:
            self.has_said = True
            open("/said/log", "a").write(f"{number}\\n")

autoreload.get_reloader = Reloader
urlpatterns = []
settings.configure(DEBUG=True, ROOT_URLCONF="main", SECRET_KEY="of the test", ALLOWED_HOSTS=["*"])
execute_from_command_line(["main.py", "runserver", "--skip-checks", "0.0.0.0:80"])
`,
        );
        put("number.py", "number = 0\n");
        await start(
          `${PYTHON} -B main.py`,
          [PYTHON, ctypes, ...natives].join(", "),
          "    network_mode: none",
          [`${library}:${library}:ro`, `${folder}:/django:ro`],
        );
        await eventually(() => expect(said()).toEqual(["0"]));
        await edit((number) => `number = ${number}\n`, "number.py");
      });
    },
  );

  describe.skipIf("missing" in flask)(
    `Flask of Debian${"missing" in flask ? ` (not available: ${flask.missing})` : ""}`,
    () => {
      // one sees events of the kernel, and the other one compares time stamps
      it.each(["watchdog", "stat"])("reloads for each edit: %s", async (reloader) => {
        // the standard library, and a part of it that needs libraries of the host
        const library = python("import os; print(os.path.dirname(os.__file__))");
        const ctypes = python("import _ctypes; print(_ctypes.__file__)");
        const modules = "/usr/lib/python3/dist-packages";
        const folder = "folder" in flask ? join(flask.folder, modules) : "";
        put(
          "main.py",
          `import sys
sys.path.append("/flask")
from flask import Flask
from number import number
from werkzeug._reloader import reloader_loops

class Loop(reloader_loops["${reloader}"]):
    has_said = False
    # a change before the first step is one that Flask does not see
    def run_step(self):
        super().run_step()
        if not self.has_said:
            self.has_said = True
            open("/said/log", "a").write(f"{number}\\n")

reloader_loops["${reloader}"] = Loop
Flask("app").run(port=80, debug=True, reloader_type="${reloader}", reloader_interval=0.1)
`,
        );
        put("number.py", "number = 0\n");
        await start(
          `${PYTHON} -B main.py`,
          [PYTHON, ctypes, ...natives].join(", "),
          "    network_mode: none",
          [`${library}:${library}:ro`, `${folder}:/flask:ro`],
        );
        await eventually(() => expect(said()).toEqual(["0"]));
        await edit((number) => `number = ${number}\n`, "number.py");
      });
    },
  );
});
