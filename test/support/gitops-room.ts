/**
 * The loop of gitops without a host: real repositories, git, store and reader of stacks, over a stack service that notes what it
 * is asked to do.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { build } from "esbuild";
import type { StackService } from "../../src/daemon/extension.ts";
import { GitCredentials } from "../../src/gitops/git/credentials.ts";
import { FollowedRepositories } from "../../src/gitops/git/repositories.ts";
import { GitopsLoop } from "../../src/gitops/loop/loop.ts";
import { GitopsRecords } from "../../src/gitops/model/records.ts";
import { readSource, type Source } from "../../src/gitops/model/source.ts";
import type { Plan, PlanOptions, Step } from "../../src/reconcile/index.ts";
import type { Stack } from "../../src/stack/index.ts";
import { FakeManager } from "./fake-manager.ts";
import { GitRepository } from "./git-repository.ts";

/** A plan with one step, named by a text. */
export const planOf = (stack: string, ...names: string[]): Plan => ({
  stack,
  warnings: [],
  steps: names.map(
    (name): Step =>
      ({
        id: name,
        kind: "volume.create",
        name,
        reasons: [],
        after: [],
        weakAfter: [],
        waits: [],
      }) as unknown as Step,
  ),
});

/** Notes `verb stack`, and keeps a revision for each stack that was brought up. */
export class FakeStacks {
  readonly calls: string[] = [];
  readonly revisions = new Map<string, { number: number; stack: Stack }[]>();
  /** What `up` of a stack with this image throws, after it has begun to change the host or before. */
  readonly failing = new Map<string, { error: Error; hasBegun: boolean }>();
  failsToRestore: Error | undefined;
  /** The steps between the applied revision and the host. */
  drift: string[] = [];
  isChanging = false;

  get asService(): StackService {
    return this as unknown as StackService;
  }

  readonly history = { list: (name: string) => this.revisions.get(name) ?? [] };

  async plan(stack: Stack, options: PlanOptions): Promise<Plan> {
    this.calls.push(`plan ${stack.name}${options.removeOrphans ? " without orphans" : ""}`);
    return planOf(stack.name, imageOf(stack));
  }

  async up(stack: Stack, options: PlanOptions, _settings: unknown, onProgress: (progress: object) => void) {
    const failure = this.failing.get(imageOf(stack));
    this.calls.push(`up ${stack.name} ${imageOf(stack)}${options.removeOrphans ? " without orphans" : ""}`);
    if (failure?.hasBegun !== false) onProgress({ kind: "container.create" });
    if (failure) throw failure.error;
    const known = this.history.list(stack.name);
    if (known.at(-1)?.stack === undefined || imageOf(known.at(-1)!.stack) !== imageOf(stack))
      this.revisions.set(stack.name, [...known, { number: (known.at(-1)?.number ?? 0) + 1, stack }]);
  }

  async rollback(name: string, number: number): Promise<void> {
    this.calls.push(`rollback ${name} ${number}`);
    if (this.failsToRestore) throw this.failsToRestore;
    this.drift = [];
  }

  rollbackPlan = (name: string): Plan => planOf(name, ...this.drift);

  async down(name: string, options: { volumes: boolean }): Promise<void> {
    this.calls.push(`down ${name}${options.volumes ? " with volumes" : ""}`);
    if (this.failsToRestore) throw this.failsToRestore;
    this.revisions.delete(name);
  }

  activity = () => ({ isChanging: this.isChanging, restarting: [] });
}

const imageOf = ({ services }: Stack): string => Object.values(services)[0]!.image;

/** The stack file of a commit. */
export const stackFile = (image: string, more = "") =>
  `name: shop\nservices: { web: { image: "${image}", command: [serve] } }\n${more}`;

let reader: Promise<string> | undefined;

/** The program that reads a stack, as bay starts it. */
function readerProgram(folder: string): Promise<string> {
  const file = join(folder, "reader.mjs");
  reader ??= build({
    stdin: {
      contents:
        'import { readStackForGitops } from "./src/gitops/read/reader-process.ts"; await readStackForGitops();',
      resolveDir: resolve("."),
    },
    bundle: true,
    platform: "node",
    format: "esm",
    external: ["koffi"],
    banner: {
      js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
    },
    define: { __BAY_VERSION__: '"0.0.0"' },
    write: false,
  }).then(({ outputFiles }) => outputFiles[0]!.text);
  return reader.then((text) => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(file, text);
    return file;
  });
}

export class GitopsRoom {
  readonly folder = mkdtempSync(join(tmpdir(), "bay-gitops-room-"));
  readonly directory = join(this.folder, "gitops");
  readonly manager = new FakeManager();
  readonly stacks = new FakeStacks();
  readonly records = new GitopsRecords(this.manager.store);
  readonly repository = new GitRepository(join(this.folder, "repository"));
  readonly messages: string[] = [];
  loop!: GitopsLoop;

  static async open(): Promise<GitopsRoom> {
    const room = new GitopsRoom();
    const program = await readerProgram(join(room.folder, "program"));
    room.loop = room.newLoop([process.execPath, program]);
    return room;
  }

  /** A loop with the same records, as a bayd that was started again has. */
  newLoop(command = this.loop.services.command): GitopsLoop {
    const credentials = new GitCredentials(join(this.directory, "credentials"));
    return new GitopsLoop({
      manager: this.manager.asManager,
      stacks: this.stacks.asService,
      log: (text) => this.messages.push(text),
      command,
      directory: this.directory,
      repositories: new FollowedRepositories(join(this.directory, "repositories"), credentials),
      records: this.records,
    });
  }

  /** Adds a source of the repository. */
  source(name: string, rules: object = {}): Source {
    const source = readSource(name, { repo: this.repository.bare, ...rules });
    this.records.put(source);
    return source;
  }

  commit(image: string, more = ""): string {
    return this.repository.write("bay.yaml", stackFile(image, more)).commit(image);
  }

  /** The log of a source, the newest last: `outcome subject`. */
  log(name: string): string[] {
    return this.records.log(name).map(({ outcome, commit }) => `${outcome} ${commit?.subject ?? ""}`.trim());
  }

  async close(): Promise<void> {
    await this.loop.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
