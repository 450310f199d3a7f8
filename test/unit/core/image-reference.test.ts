import { describe, expect, it } from "vitest";
import { canonicalReference, parseReference } from "../../../src/core/image-reference.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;

describe("image references", () => {
  it.each([
    ["nginx", "docker.io/library/nginx:latest"],
    ["nginx:1.27", "docker.io/library/nginx:1.27"],
    ["user/app", "docker.io/user/app:latest"],
    ["localhost/app", "localhost/app:latest"],
    ["localhost:5000/app:x", "localhost:5000/app:x"],
    ["reg.example.org/a/b", "reg.example.org/a/b:latest"],
    [`app@${DIGEST}`, `docker.io/library/app@${DIGEST}`],
    [`app:1@${DIGEST}`, `docker.io/library/app:1@${DIGEST}`],
  ])("%s means %s", (text, canonical) => {
    expect(canonicalReference(text)).toBe(canonical);
  });

  it.each(["", "Nginx", "a:b:c", "app@sha256:12", "a//b", "app:", "-a", "a b"])("%j is refused", (text) => {
    expect(() => parseReference(text)).toThrow("invalid image reference");
  });
});
