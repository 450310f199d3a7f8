/** Rarer kinds of mounts and addresses: folders as volumes, parts of volumes, Docker's socket, parts of subnets. */
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bay, eventually } from "../support/bay.ts";
import { hostState } from "../support/host-state.ts";

describe("volumes", () => {
  const bay = new Bay();
  let before: Record<string, string>;
  const folder = join(bay.folder, "kept");
  const up = (services: string, more = "") => {
    bay.write(`name: vol\nimages: { box: { rootfs: ../busybox } }\nservices:\n${services}\n${more}`);
    return bay.run(["up", "-d"]);
  };
  const box = "image: box, command: sleep 1000, init: true, stop_grace_period: 0s";
  const say = (service: string, command: string) => bay.ok("exec", "-T", service, "sh", "-c", command).trim();

  beforeAll(() => {
    before = hostState();
    bay.busybox();
    mkdirSync(folder);
    writeFileSync(join(folder, "old"), "was here");
  });
  afterAll(() => bay.close());

  it("a folder of the host is a volume by driver_opts, and stays when the stack goes", () => {
    const volumes = `volumes: { data: { driver_opts: { type: none, o: bind, device: ${folder} } } }`;
    expect(up(`  a: { ${box}, volumes: ["data:/data"] }`, volumes).code).toBe(0);
    expect(say("a", "cat /data/old; echo new > /data/new")).toBe("was here");
    expect(readFileSync(join(folder, "new"), "utf8")).toBe("new\n");
    const other = join(bay.folder, "other");
    mkdirSync(other);
    bay.write(readFileSync(join(bay.folder, "stack/bay.yaml"), "utf8").replace(folder, other));
    expect(bay.ok("plan")).toContain(`volumes.data.driver_opts: ${folder} -> ${other}`);
    bay.ok("up", "-d");
    expect(say("a", "ls /data")).toBe("");
    bay.ok("down", "-v", "-t", "0");
    expect(existsSync(join(folder, "new"))).toBe(true);
    expect(existsSync(other)).toBe(true);
  });

  it("a file system is a volume by driver_opts, mounted while containers have it", async () => {
    const mounted = () => readFileSync("/proc/self/mountinfo", "utf8").includes("volumes/vol_shared/_data");
    const two = `  a: { ${box}, volumes: ["shared:/s"] }\n  b: { ${box}, volumes: ["shared:/t"] }`;
    const volumes = (size: string) =>
      `volumes: { shared: { driver_opts: { type: tmpfs, o: "size=${size},mode=0755", device: tmpfs } } }`;
    expect(up(two, volumes("1m")).err).toContain("b-1 started");
    expect(say("a", "echo both > /s/file; df -k /s | tail -1 | awk '{print $2}'")).toBe("1024");
    expect(say("b", "cat /t/file")).toBe("both");
    // one that ends leaves it to the other, also over a kill of bayd
    bay.ok("stop", "a");
    process.kill(bay.daemonPid(), "SIGKILL");
    await eventually(() => expect(say("b", "cat /t/file")).toBe("both"));
    expect(mounted()).toBe(true);
    bay.ok("start", "a");
    expect(say("a", "cat /s/file")).toBe("both");
    const changed = `name: vol\nimages: { box: { rootfs: ../busybox } }\nservices:\n${two}\n${volumes("2m")}\n`;
    expect(bay.write(changed).ok("plan")).toContain(
      "volumes.shared.driver_opts: tmpfs tmpfs (size=1m,mode=0755) -> tmpfs tmpfs (size=2m,mode=0755)",
    );
    bay.ok("down", "-t", "0");
    expect(mounted()).toBe(false);
    const lost = up(two, "volumes: { shared: { driver_opts: { type: nosuchfs, device: /dev/null } } }");
    expect(lost.code).toBe(1);
    expect(lost.err).toContain("the volume vol_shared cannot be mounted: ");
    bay.ok("down", "-v", "-t", "0");
    expect(mounted()).toBe(false);
  });

  it("a part of a volume is mounted where it is there, and no path leads out of the volume", () => {
    const part = (subpath: string) =>
      `  b: { ${box}, volumes: [{ type: volume, source: data, target: /part, volume: { subpath: ${subpath} } }] }`;
    const all = `  a: { ${box}, volumes: ["data:/data"] }\n`;
    up(all, "volumes: { data: }");
    say("a", "mkdir -p /data/in/deep; echo word > /data/in/deep/file; ln -s /etc /data/out");
    expect(up(all + part("in/deep"), "volumes: { data: }")).toMatchObject({
      code: 0,
      err: expect.stringContaining("b-1 started"),
    });
    expect(say("b", "cat /part/file; ls /part")).toBe("word\nfile");
    const lost = up(all + part("in/none"), "volumes: { data: }");
    expect(lost.err).toContain("the volume at /part has no path in/none");
    expect(say("b", "cat /part/file")).toBe("word"); // the one before goes on
    // the link leads to /etc of the volume, and there is none
    expect(up(all + part("out"), "volumes: { data: }").err).toContain("the volume at /part has no path out");
    const volume = join(bay.folder, "root/volumes/vol_data/_data");
    symlinkSync(join(bay.folder, "busybox"), join(volume, "away"));
    expect(up(all + part("away"), "volumes: { data: }").err).toContain("has no path away");
    bay.ok("down", "-v", "-t", "0");
  });

  it("an image is mounted read-only, or a part of it, and another image replaces the container", () => {
    const stack = join(bay.folder, "stack");
    const put = (path: string, text: string) => {
      mkdirSync(join(stack, path, ".."), { recursive: true });
      writeFileSync(join(stack, path), text);
    };
    put("one/file", "one");
    put("one/gone", "hidden");
    put("two/deep/file", "two");
    symlinkSync("/deep", join(stack, "two/link"));
    symlinkSync(`/..${bay.folder}`, join(stack, "two/away"));
    // two layers, of which the second hides what is in the first
    const dockerfile =
      'FROM scratch\nCOPY busybox /bin/\nCOPY one /\nRUN ["/bin/busybox", "rm", "/gone"]\nCOPY two /\n';
    const build = `{ context: ., dockerfile_inline: ${JSON.stringify(dockerfile)} }`;
    writeFileSync(join(stack, "busybox"), readFileSync("/bin/busybox"), { mode: 0o755 });
    const image = (name: string, subpath = "") =>
      `{ type: image, source: ${name}, target: /${name}${subpath && `, image: { subpath: ${subpath} }`} }`;
    const services = (...mounts: string[]) =>
      `  tools: { image: tools, build: ${build}, command: x, scale: 0 }\n  a: { ${box}, volumes: [${mounts.join(", ")}] }`;
    expect(up(services(image("tools"), image("box"))).err).toContain("a-1 started");
    expect(
      say(
        "a",
        "cat /tools/file /tools/deep/file; test -e /tools/gone || test -x /box/bin/busybox && echo box",
      ),
    ).toBe("onetwobox");
    expect(say("a", "touch /tools/x /box/x 2>&1 | grep -c Read-only")).toBe("2");
    expect(bay.ok("plan")).toContain("nothing to do");
    expect(bay.run(["image", "rm", "tools"]).err).toContain("is used by the container vol-a-1");
    const [{ Mounts }] = JSON.parse(bay.ok("inspect", "vol-a-1")) as [{ Mounts: object[] }];
    expect(Mounts[0]).toMatchObject({ Type: "image", Source: "tools", Destination: "/tools", RW: false });
    // another image of the name
    put("one/file", "ONE");
    expect(bay.ok("plan")).toMatch(/image tools[\s\S]*the image tools is rebuilt/);
    bay.ok("up", "-d");
    expect(say("a", "cat /tools/file")).toBe("ONE");
    // a folder, a file and a link of it; no link leads out of it
    expect(up(services(image("tools", "deep"))).code).toBe(0);
    expect(say("a", "ls /tools")).toBe("file");
    expect(up(services(image("tools", "deep/file"))).code).toBe(0);
    expect(say("a", "cat /tools")).toBe("two");
    expect(up(services(image("tools", "link"))).code).toBe(0);
    expect(say("a", "cat /tools/file")).toBe("two");
    expect(up(services(image("tools", "gone"))).err).toContain(
      "the image tools, mounted at /tools, has no gone",
    );
    expect(up(services(image("tools", "away"))).err).toContain("has no away");
    const lost = up(`  a: { ${box}, volumes: [{ type: image, source: "localhost:1/none", target: /n }] }`);
    expect(lost.code).toBe(1);
    expect(lost.err).toContain("localhost:1");
    expect(say("a", "cat /tools/file")).toBe("two"); // the one before goes on
    bay.ok("down", "-t", "0");
  });

  it("Docker's socket is bay's own where no Docker is, and the plan says so", () => {
    if (existsSync("/var/run/docker.sock")) return;
    const ask =
      "require('http').get({ socketPath: '/var/run/docker.sock', path: '/containers/json' }, (r) => r.pipe(process.stdout)); setInterval(() => {}, 1e3)";
    bay.write(
      `name: vol\nimages: { app: { host: [${process.execPath}] } }\nservices:\n  a:\n    image: app\n    command: [${process.execPath}, -e, ${JSON.stringify(ask)}]\n    stop_grace_period: 0s\n    volumes: ["/var/run/docker.sock:/var/run/docker.sock"]\n`,
    );
    const { code, err } = bay.run(["up", "-d"]);
    expect(code).toBe(0);
    expect(err).toContain(
      "services.a.volumes: /var/run/docker.sock is bay's own socket, as Docker is not installed",
    );
    expect(existsSync("/var/run/docker.sock")).toBe(false);
    return eventually(() => expect(bay.ok("logs", "--no-log-prefix", "a")).toContain("vol-a-1")).then(() => {
      bay.ok("down", "-v", "-t", "0");
    });
  });

  it("leaves nothing behind", async () => {
    bay.ok("daemon", "stop");
    await eventually(() => expect(hostState()).toEqual(before));
  });
});
