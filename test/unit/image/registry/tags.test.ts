/** The pages of a list of tags, as registries of different kinds link them. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseReference } from "../../../../src/core/image-reference.ts";
import { listTags } from "../../../../src/image/registry/tags.ts";
import { TagServer } from "../../../support/tag-server.ts";

let server: TagServer;
beforeEach(async () => {
  server = await TagServer.start();
});
afterEach(() => server.stop());

const list = () =>
  listTags(parseReference(`${server.host}/team/app:1`), undefined, new AbortController().signal);
/** Answers each page with the link of its number. */
const paged = (linkOf: (page: number) => string | undefined) => {
  server.answer = (_, answer) => {
    const page = server.paths.length;
    const link = linkOf(page);
    if (link !== undefined) answer.setHeader("Link", link);
    answer.end(JSON.stringify({ tags: [`v${page}`] }));
  };
};

describe("the next page of a list of tags", () => {
  it.each([
    ["a position", '</v2/team/app/tags/list?n=1&last=v1>; rel="next"', "?n=1&last=v1"],
    ["a token", '</v2/team/app/tags/list?next_page=a%3D%3D&n=50>; rel="next"', "?next_page=a%3D%3D&n=50"],
    ["a whole address", '<https://elsewhere.invalid/other?last=v1>; rel="next"', "?last=v1"],
    ["only a query", "<?last=v1>; rel=next", "?last=v1"],
    ["one of several links", '</first>; rel="first", </x?last=v1>; title="a"; rel="last next"', "?last=v1"],
  ])("is the whole query of %s, on the same path", async (_, link, query) => {
    paged((page) => (page === 1 ? link : undefined));
    expect(await list()).toEqual(["v1", "v2"]);
    expect(server.paths).toEqual(["/v2/team/app/tags/list?n=1000", `/v2/team/app/tags/list${query}`]);
  });

  it("follows a page without tags", async () => {
    server.answer = (_, answer) => {
      const isFirst = server.paths.length === 1;
      if (isFirst) answer.setHeader("Link", '<?last=a>; rel="next"');
      answer.end(JSON.stringify({ tags: isFirst ? [] : ["v2"] }));
    };
    expect(await list()).toEqual(["v2"]);
  });

  it.each([
    ["no query", '</v2/team/app/tags/list>; rel="next"', /invalid link to the next tags/],
    ["no address", '<http://[>; rel="next"', /invalid link to the next tags/],
    ["a loop", '<?last=a>; rel="next"', /the same page .* twice/],
  ])("is refused with %s", async (_, link, message) => {
    paged(() => link);
    await expect(list()).rejects.toMatchObject({
      code: "REGISTRY_ANSWER",
      message: expect.stringMatching(message),
    });
  });

  it("is refused after a number of pages", async () => {
    paged((page) => `<?last=${page}>; rel="next"`);
    await expect(list()).rejects.toThrow(/more than 1000 pages/);
    expect(server.paths).toHaveLength(1000);
  });

  it("is not that of another relation", async () => {
    paged(() => '<?last=a>; rel="prev", <?last=b>; rel=nextish');
    expect(await list()).toEqual(["v1"]);
  });
});
