import { describe, expect, it } from "vitest";
import { BayError } from "../../../src/core/errors.ts";
import { diskFullError, judge } from "../../../src/store/disk-room.ts";

const GIB = 2 ** 30;
const room = (given: Partial<Parameters<typeof judge>[0]>) =>
  judge({ path: "/x", total: 100 * GIB, free: 50 * GIB, totalFiles: 0, freeFiles: 0, ...given });

describe("the room on a disk", () => {
  it("is low below 2 GiB and full below the reserve of 256 MiB", () => {
    expect(room({}).state).toBe("ok");
    expect(room({ free: GIB }).state).toBe("low");
    expect(room({ free: 200 * 2 ** 20 }).state).toBe("full");
  });

  it("is judged by its part on a small file system", () => {
    const small = { total: 100 * 2 ** 20 };
    expect(room({ ...small, free: 50 * 2 ** 20 }).state).toBe("ok");
    expect(room({ ...small, free: 5 * 2 ** 20 }).state).toBe("low");
    expect(room({ ...small, free: 2 ** 20 }).state).toBe("full");
  });

  it("is full without inodes, where the file system counts them", () => {
    expect(room({ totalFiles: 1e6, freeFiles: 100 }).state).toBe("full");
    expect(room({ totalFiles: 0, freeFiles: 0 }).state).toBe("ok");
  });
});

describe("an error of a full disk", () => {
  it("says what could not be written and what frees room, also when it comes from a worker", () => {
    const system = Object.assign(new Error("ENOSPC: no space left on device"), {
      code: "ENOSPC",
      path: "/x/file",
    });
    expect(diskFullError(system)).toMatchObject({
      code: "DISK_FULL",
      message: expect.stringContaining("/x/file"),
      hint: expect.stringContaining("prune"),
    });
    expect(diskFullError(new BayError("ENOSPC", "ENOSPC: no space left"))).toMatchObject({
      code: "DISK_FULL",
    });
    expect(diskFullError(new BayError("BAD_LAYER", "x"))).toBeUndefined();
  });
});
