/** Instructions that change only an image's config. */
import { describe, expect, it } from "vitest";
import { readInstruction } from "../../../src/build/dockerfile/instructions.ts";
import { parseInstruction } from "../../../src/build/dockerfile/parse.ts";
import { applyToConfig, commandWords, isMeta } from "../../../src/build/run-config.ts";
import type { RunConfig } from "../../../src/image/index.ts";

const place = { file: "Dockerfile", line: 1, column: 1, length: 1 };
/** The config after the instructions, as of one stage. */
function configAfter(lines: string[], start: RunConfig = {}): RunConfig {
  let hasOwnCommand = false;
  return lines.reduce((config, line) => {
    const instruction = readInstruction(parseInstruction(line, "\\", place as never));
    if (!isMeta(instruction)) throw new Error(line);
    const lookup = (name: string) =>
      config.Env?.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1);
    const next = applyToConfig(config, instruction, { lookup, options: { escape: "\\" }, hasOwnCommand });
    hasOwnCommand ||= instruction.kind === "cmd";
    return next;
  }, start);
}

describe("the config of an image", () => {
  it("has variables, of which later ones replace earlier ones", () => {
    expect(configAfter(["ENV A=1 B=2", "ENV A=${B}3"]).Env).toEqual(["A=23", "B=2"]);
  });

  it("has labels, ports, volumes and a user", () => {
    expect(
      configAfter(["LABEL a=1 b='two words'", "EXPOSE 80 53/udp 8000-8002", "VOLUME /data", "USER app:app"], {
        Labels: { a: "0", z: "9" },
      }),
    ).toEqual({
      Labels: { a: "1", z: "9", b: "two words" },
      ExposedPorts: { "80/tcp": {}, "53/udp": {}, "8000/tcp": {}, "8001/tcp": {}, "8002/tcp": {} },
      Volumes: { "/data": {} },
      User: "app:app",
    });
  });

  it("has a working directory that is relative to the earlier one", () => {
    expect(configAfter(["WORKDIR /srv", "WORKDIR app/../bin", "ENV D=x", "WORKDIR $D"]).WorkingDir).toBe(
      "/srv/bin/x",
    );
    expect(configAfter(["WORKDIR app"]).WorkingDir).toBe("/app");
  });

  it("has a command in the shell of the stage", () => {
    expect(configAfter(["CMD echo a"]).Cmd).toEqual(["/bin/sh", "-c", "echo a"]);
    expect(configAfter(['SHELL ["bash", "-ec"]', "CMD echo a"])).toMatchObject({
      Cmd: ["bash", "-ec", "echo a"],
    });
    expect(commandWords({}, { isShell: false, words: ["a"] })).toEqual(["a"]);
  });

  it("loses the base's CMD by an ENTRYPOINT, and keeps its own", () => {
    expect(configAfter(['ENTRYPOINT ["x"]'], { Cmd: ["base"] })).toEqual({ Entrypoint: ["x"], Cmd: null });
    expect(configAfter(['CMD ["own"]', 'ENTRYPOINT ["x"]'], { Cmd: ["base"] })).toEqual({
      Entrypoint: ["x"],
      Cmd: ["own"],
    });
  });

  it("has a health check in nanoseconds, a signal, and triggers", () => {
    expect(configAfter(["HEALTHCHECK --interval=2s --retries=4 CMD curl x"]).Healthcheck).toMatchObject({
      Test: ["CMD-SHELL", "curl x"],
      Interval: 2e9,
      Retries: 4,
    });
    expect(configAfter(["HEALTHCHECK NONE"]).Healthcheck).toMatchObject({ Test: ["NONE"] });
    expect(configAfter(["STOPSIGNAL SIGQUIT", "ONBUILD RUN a", "ONBUILD COPY a b"])).toEqual({
      StopSignal: "SIGQUIT",
      OnBuild: ["RUN a", "COPY a b"],
    });
    expect(() => configAfter(["STOPSIGNAL SIGNOTHING"])).toThrow(
      expect.objectContaining({ code: "BAD_DOCKERFILE", message: 'STOPSIGNAL: invalid signal "SIGNOTHING"' }),
    );
    expect(() => configAfter(["EXPOSE eighty"])).toThrow(expect.objectContaining({ code: "BAD_DOCKERFILE" }));
  });
});
