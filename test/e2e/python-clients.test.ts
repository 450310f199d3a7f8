/** docker-compose 1.29 and docker-py of Debian 12 with bayd's socket. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../support/bay.ts";
import { EngineRoom } from "../support/engine-room.ts";
import { composeFile, pythonClients, runPython } from "../support/python-clients.ts";

const found = pythonClients();

const composeText = (seconds: number) => `version: "3.8"
services:
  web:
    image: box
    command: sh -c 'echo speaks; sleep 1000'
    stop_grace_period: 0s
    depends_on: [db]
    volumes: ["data:/data"]
  db: { image: box, command: sleep ${seconds}, stop_grace_period: 0s }
volumes: { data: {} }
`;

/** The main calls of docker-py; the first that fails ends the program. */
const PROGRAM = `
import docker, io, tarfile, time
client = docker.from_env()
assert client.ping()
run = client.containers.run
assert run('box', 'echo hello', remove=True) == b'hello\\n'
try:
    run('box', ['sh', '-c', 'echo bad >&2; exit 3'], remove=True)
    raise SystemExit('no error')
except docker.errors.ContainerError as error:
    assert error.exit_status == 3 and error.stderr == b'bad\\n'
assert b'A=1' in run('box', 'env', environment={'A': '1'}, mem_limit='64m', cap_drop=['ALL'], remove=True)
box = run('box', 'sleep 1000', detach=True, name='solo', labels={'k': 'v'}, volumes={'data': {'bind': '/d', 'mode': 'rw'}})
assert box.stats(stream=False)['id'] == box.id
assert box.top()['Processes']
assert box.exec_run('echo x').output == b'x\\n'
assert box.exec_run(['sh', '-c', 'echo o; echo e >&2'], demux=True).output == (b'o\\n', b'e\\n')
assert b''.join(box.exec_run('seq 3', stream=True).output) == b'1\\n2\\n3\\n'
archive = io.BytesIO()
with tarfile.open(fileobj=archive, mode='w') as tar:
    entry = tarfile.TarInfo('f')
    entry.size = 2
    tar.addfile(entry, io.BytesIO(b'hi'))
assert box.put_archive('/tmp', archive.getvalue())
assert box.get_archive('/tmp/f')[1]['size'] == 2
assert {'Path': '/tmp/f', 'Kind': 1} in box.diff()
box.update(mem_limit='64m', memswap_limit='128m', restart_policy={'Name': 'always'})
box.rename('other')
box.pause()
box.unpause()
box.restart(timeout=0)
image = box.commit('committed', '1', conf={'Cmd': ['ls'], 'Env': ['A=1']}, changes=['LABEL a=b'])
assert image.attrs['Config']['Cmd'] == ['ls'] and image.labels == {'a': 'b'}
assert sum(len(part) for part in box.export()) > 0
pool = docker.types.IPAMPool(subnet='10.213.7.0/24', gateway='10.213.7.1')
network = client.networks.create('net', ipam=docker.types.IPAMConfig(pool_configs=[pool]), labels={'x': 'y'})
network.connect(box, aliases=['a'], ipv4_address='10.213.7.9')
network.reload()
assert [each.id for each in network.containers] == [box.id]
network.disconnect(box, force=True)
network.remove()
volume = client.volumes.create('made', labels={'a': 'b'})
assert [each.name for each in client.volumes.list(filters={'label': 'a=b'})] == ['made']
volume.remove()
built, _ = client.images.build(fileobj=io.BytesIO(b'FROM box\\nRUN true\\n'), tag='built')
assert built.tags == ['built:latest'] and built.history()
client.images.load(b''.join(built.save(named=True)))
assert built.tag('other', '2')
client.images.remove('other:2')
actions = [each['Action'] for each in client.events(since=0, until=int(time.time()) + 1, decode=True)]
for action in ['create', 'start', 'die', 'rename', 'update', 'pause', 'commit', 'export', 'exec_create: echo x', 'tag', 'untag', 'load']:
    assert action in actions, (action, actions)
assert [each.name for each in client.containers.list(filters={'label': ['k=v']})] == ['other']
box.kill()
box.remove(v=True, force=True)
client.containers.prune(), client.volumes.prune(), client.networks.prune()
print('all done')
`;

describe.skipIf("missing" in found)(
  `clients in Python${"missing" in found ? ` (not available: ${found.missing})` : ""}`,
  () => {
    const folder = "folder" in found ? found.folder : "";
    const cwd = mkdtempSync(join(tmpdir(), "bay-python-"));
    let room: EngineRoom;
    beforeAll(async () => {
      room = await EngineRoom.open();
    });
    afterAll(async () => {
      await room.close();
      rmSync(cwd, { recursive: true, force: true });
    });

    const compose = (...words: string[]) => {
      const all = [composeFile(folder), "-p", "old", ...words];
      const { code, out, err } = runPython(folder, room.bay.socket, cwd, all);
      if (code !== 0) throw new Error(`docker-compose ${words.join(" ")} ended with ${code}\n${out}${err}`);
      return out;
    };

    it("docker-compose 1.29 creates, keeps, changes, scales and removes a project", async () => {
      writeFileSync(join(cwd, "docker-compose.yml"), composeText(1000));
      compose("up", "-d");
      const ids = compose("ps", "-q");
      expect(ids.trim().split("\n")).toHaveLength(2);
      compose("up", "-d");
      expect(compose("ps", "-q")).toBe(ids);
      expect(compose("exec", "-T", "web", "ping", "-c1", "db")).toContain("1 packets received");
      await eventually(() => expect(compose("logs", "--no-color", "web")).toContain("speaks"));
      expect(compose("run", "--rm", "-T", "db", "echo", "once")).toBe("once\n");
      expect(compose("top")).toContain("sleep 1000");
      writeFileSync(join(cwd, "docker-compose.yml"), composeText(1001));
      compose("up", "-d");
      expect(compose("top", "db")).toContain("sleep 1001");
      compose("up", "-d", "--scale", "db=2");
      expect(compose("ps", "-q", "db").trim().split("\n")).toHaveLength(2);
      compose("restart", "-t", "0");
      compose("down", "-v");
      const left = (await room.need("GET", "/containers/json?all=1")) as unknown[];
      expect(left).toEqual([]);
      const { Volumes } = (await room.need("GET", "/volumes")) as { Volumes: unknown[] };
      expect(Volumes).toEqual([]);
    });

    it("docker-py runs, changes, copies, commits, connects, builds and removes", () => {
      const { code, out, err } = runPython(folder, room.bay.socket, cwd, ["-c", PROGRAM]);
      expect([code, err, out]).toEqual([0, "", "all done\n"]);
    });
  },
);
