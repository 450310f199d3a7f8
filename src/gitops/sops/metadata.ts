/** The metadata of a SOPS file: who can decrypt it, which of its values are encrypted, and its MAC. */
import { z } from "zod";
import { BayError } from "../../core/errors.ts";

const text = z.string().max(65_536);
const rule = z.string().max(4096).optional();
const flag = z.union([z.boolean(), z.enum(["true", "false"]).transform((word) => word === "true")]);

const metadataSchema = z.object({
  age: z
    .array(z.object({ recipient: text.optional(), enc: text }))
    .max(100)
    .nullish(),
  lastmodified: z.string().max(100),
  mac: text,
  unencrypted_suffix: rule,
  encrypted_suffix: rule,
  unencrypted_regex: rule,
  encrypted_regex: rule,
  unencrypted_comment_regex: rule,
  encrypted_comment_regex: rule,
  mac_only_encrypted: flag.optional(),
  key_groups: z.array(z.unknown()).nullish(),
});

export interface Metadata {
  /** The data key for each recipient, as armored age files. */
  keys: string[];
  recipients: string[];
  lastModified: string;
  mac: string;
  isMacOnlyEncrypted: boolean;
  /** Whether the value at a path is encrypted. */
  isEncrypted: (path: readonly string[]) => boolean;
}

/** Throws BAD_SOPS. */
export function readMetadata(input: unknown): Metadata {
  const result = metadataSchema.safeParse(input);
  const bad = (message: string, hint?: string) => new BayError("BAD_SOPS", message, { hint });
  if (!result.success) {
    const where = result.error.issues.map(({ path }) => path.join(".")).join(", ");
    throw bad(`the SOPS metadata is not valid: ${where}`);
  }
  const { data } = result;
  if (data.unencrypted_comment_regex || data.encrypted_comment_regex)
    throw bad("SOPS rules in comments are not supported", "use encrypted_regex or encrypted_suffix");
  if ((data.key_groups?.length ?? 0) > 0) throw bad("SOPS key groups are not supported");
  const age = data.age ?? [];
  if (age.length === 0) throw bad("the file has no age recipient", "encrypt it with sops --age RECIPIENT");
  return {
    keys: age.map(({ enc }) => enc),
    recipients: age.flatMap(({ recipient }) => recipient ?? []),
    lastModified: data.lastmodified,
    mac: data.mac,
    isMacOnlyEncrypted: data.mac_only_encrypted ?? false,
    isEncrypted: ruleOf(data),
  };
}

type Rules = z.output<typeof metadataSchema>;

/** Every key on the way to a value counts, as in SOPS. */
function ruleOf(rules: Rules): Metadata["isEncrypted"] {
  const { encrypted_suffix, encrypted_regex, unencrypted_regex } = rules;
  const hasOther = encrypted_suffix || encrypted_regex || unencrypted_regex;
  const unencryptedSuffix = rules.unencrypted_suffix || (hasOther ? undefined : "_unencrypted");
  const [wanted, unwanted] = [regexOf(encrypted_regex), regexOf(unencrypted_regex)];
  return (path) => {
    if (wanted) return path.some((key) => wanted.test(key));
    if (unwanted && path.some((key) => unwanted.test(key))) return false;
    if (encrypted_suffix) return path.some((key) => key.endsWith(encrypted_suffix));
    return !(unencryptedSuffix && path.some((key) => key.endsWith(unencryptedSuffix)));
  };
}

/** Throws BAD_SOPS. The flag (?i) of Go at the beginning is accepted. */
function regexOf(source: string | undefined): RegExp | undefined {
  if (!source) return undefined;
  const [, flags = "", rest = ""] = /^(?:\(\?([is]+)\))?(.*)$/s.exec(source) ?? [];
  try {
    return new RegExp(rest, `u${flags}`);
  } catch (cause) {
    throw new BayError("BAD_SOPS", `the expression ${JSON.stringify(source)} is not valid`, { cause });
  }
}
