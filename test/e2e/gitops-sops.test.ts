/** Encrypted files of a followed repository: containers get the plain text, and the disk does not. */
import { execFileSync, spawnSync } from "node:child_process";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ShownSource } from "../../src/gitops/api/routes.ts";
import { Bay, eventually } from "../support/bay.ts";
import { GitRepository } from "../support/git-repository.ts";
import { sopsBinary, sopsDotenv, sopsYaml } from "../support/sops.ts";

describe("encrypted files of a repository", () => {
  const bay = new Bay();
  bay.write("services: {}");
  const repository = new GitRepository(bay.folder);
  const status = () => JSON.parse(bay.ok("gitops", "status", "shop", "--format", "json")) as ShownSource;
  const bad = (commit: string) => eventually(() => expect(status().status.bad?.commit).toBe(commit));
  const applied = (commit: string) => eventually(() => expect(status().status.applied?.id).toBe(commit));
  const inWeb = (command: string) => bay.ok("-p", "shop", "exec", "-T", "web", "sh", "-c", command);
  const word = "plain-secret-word";
  let recipient = "";

  beforeAll(() => {
    bay.busybox();
    recipient = bay.ok("gitops", "identity").trim();
    expect(recipient).toMatch(/^age1[a-z0-9]{58}$/);
    expect(bay.ok("gitops", "identity").trim()).toBe(recipient);
    repository.write(
      "bay.yaml",
      `
name: shop
images: { box: { rootfs: ${bay.folder}/busybox } }
secrets: { db: { file: db.enc } }
configs: { app: { file: app.enc.yaml } }
services:
  web:
    image: box
    command: sleep 1000
    stop_grace_period: 0s
    env_file: .env.enc
    secrets: [db]
    configs: [app]
`,
    );
  });
  afterAll(() => bay.close());

  const write = async (secret: string) =>
    repository
      .write("db.enc", await sopsBinary(Buffer.from(`${secret}\n`), { recipient }))
      .write("app.enc.yaml", await sopsYaml({ key: `${secret}-config` }, { recipient }))
      .write(".env.enc", await sopsDotenv({ TOKEN: "token-of-the-environment" }, { recipient }));

  it("are decrypted for the containers", async () => {
    const commit = (await write(word)).commit("Add secrets");
    bay.ok("gitops", "add", "shop", "--repo", repository.bare, "--interval", "1s");
    await applied(commit);
    expect(inWeb("cat /run/secrets/db /app; echo $TOKEN")).toBe(
      `${word}\nkey: ${word}-config\ntoken-of-the-environment\n`,
    );
  });

  it("replace containers when their plain text changes, and are restored with a revision", async () => {
    await applied((await write(`second-${word}`)).commit("Change secrets"));
    expect(inWeb("cat /run/secrets/db")).toBe(`second-${word}\n`);
    bay.ok("-p", "shop", "rm", "-s", "-f", "web");
    await eventually(() => expect(inWeb("cat /run/secrets/db")).toBe(`second-${word}\n`));
    bay.ok("daemon", "stop");
    bay.ok("gitops", "listen"); // starts bayd
    bay.ok("-p", "shop", "restart", "web");
    expect(inWeb("cat /run/secrets/db")).toBe(`second-${word}\n`);
  });

  it("leave no plain text of secrets in the state of bay, in logs or in plans", () => {
    const found = spawnSync("grep", ["-rl", "--binary-files=text", word, `${bay.folder}/root`]);
    expect(found.stdout.toString()).toBe("");
    for (const name of ["status", "log"])
      expect(bay.ok("gitops", name, "shop", "--format", "json")).not.toContain("token-of-the-environment");
    expect(bay.ok("gitops", "preview", "shop", "main")).not.toContain("token-of-the-environment");
    expect(
      execFileSync("stat", ["-c", "%a", `${bay.folder}/root/gitops/identity.txt`])
        .toString()
        .trim(),
    ).toBe("600");
  });

  it("are refused after a change, and for another host, while the stack runs on", async () => {
    const text = await sopsBinary(Buffer.from("other"), { recipient });
    const data = /data:([A-Za-z0-9+/])/.exec(text)!;
    const at = data.index + "data:".length;
    const changed = text.slice(0, at) + (data[1] === "A" ? "B" : "A") + text.slice(at + 1);
    await bad(repository.write("db.enc", changed).commit("Change a byte"));
    expect(status().status.bad!.reason).toMatch(/db\.enc: data was changed after it was encrypted/);
    const other = await identityToRecipient(await generateX25519Identity());
    const foreign = await sopsBinary(Buffer.from("other"), { recipient: other });
    await bad(repository.write("db.enc", foreign).commit("Encrypt for another host"));
    expect(status().status.bad!.reason).toContain(other);
    expect(inWeb("cat /run/secrets/db")).toBe(`second-${word}\n`);
  });
});
