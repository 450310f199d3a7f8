/**
 * Who belongs to the cluster. One host has the authority: it issues certificates and signs the list of members, which reaches
 * all others through any of them. A host is a member while the list has it, whatever its certificate says.
 */
import { randomBytes } from "node:crypto";
import { BayError } from "../../core/errors.ts";
import type { Store } from "../../store/index.ts";
import { type Identity, IdentityFile } from "../identity/identity-files.ts";
import {
  type HostFacts,
  MAX_MEMBERS,
  type Member,
  type MemberList,
  memberListSchema,
  type SignedList,
} from "../model/member.ts";
import { Invitations } from "./invitations.ts";

const LIST = "host/list";

/** What a joining host sends, and what it gets. */
export interface Admission {
  certificate: string;
  authority: string;
  cluster: string;
  id: string;
  list: SignedList;
}

export class Membership {
  readonly #file: IdentityFile;
  readonly invitations: Invitations;
  #identity: Identity | undefined;
  #signed: SignedList | undefined;
  #list: MemberList | undefined;

  constructor(
    root: string,
    readonly store: Store,
    /** Called after each change of the identity or the list. */
    readonly changed: () => void,
  ) {
    this.#file = new IdentityFile(root);
    this.invitations = new Invitations(store);
    this.#identity = this.#file.read();
    const kept = store.get<SignedList>(LIST);
    if (this.#identity && kept) this.#adopt(kept);
  }

  get identity(): Identity | undefined {
    return this.#identity;
  }

  /** The list as it is passed on to others. */
  get signed(): SignedList | undefined {
    return this.#signed;
  }

  get members(): readonly Member[] {
    return this.#list?.members ?? [];
  }

  /** This host; undefined while it is not a member. */
  get self(): Member | undefined {
    return this.members.find(({ id }) => id === this.#identity?.id);
  }

  /** The member that issues certificates and changes the list. */
  get authority(): Member | undefined {
    return this.members.find(({ role }) => role === "authority");
  }

  get others(): readonly Member[] {
    return this.members.filter(({ id }) => id !== this.#identity?.id);
  }

  /** Throws NOT_A_MEMBER. */
  requireIdentity(): Identity {
    if (this.#identity && this.self) return this.#identity;
    throw new BayError(
      "NOT_A_MEMBER",
      this.#identity ? "this host was removed from its cluster" : "this host does not belong to a cluster",
      {
        hint: this.#identity
          ? "bay host leave forgets the cluster"
          : "run bay host init here, or bay host join with a token of another host",
      },
    );
  }

  /** Throws HOST_NOT_FOUND, NOT_A_MEMBER. */
  require(nameOrId: string): Member {
    this.requireIdentity();
    const found = this.members.find(({ id, name }) => name === nameOrId || id === nameOrId);
    if (found) return found;
    throw new BayError(
      "HOST_NOT_FOUND",
      `the cluster has no host ${JSON.stringify(nameOrId.slice(0, 100))}`,
      {
        hint: `its hosts are ${this.members.map(({ name }) => name).join(", ")}`,
      },
    );
  }

  /** Creates a cluster with this host as its authority. Throws ALREADY_MEMBER. */
  async init(facts: HostFacts): Promise<Member> {
    this.refuseMember();
    const { createAuthority, issueCertificate, requestCertificate, validFrom } = await import(
      "../identity/certificates.ts"
    );
    const [cluster, id] = [newId(), newId()];
    const authority = await createAuthority(cluster);
    const { request, key } = await requestCertificate();
    const certificate = await issueCertificate(authority, request, id);
    const member: Member = {
      ...facts,
      id,
      slot: 0,
      role: "authority",
      validFrom: validFrom(certificate),
      joinedAt: new Date().toISOString(),
    };
    this.refuseMember(); // another request may have been faster
    this.#identity = {
      id,
      cluster,
      authority: authority.certificate,
      authorityKey: authority.key,
      certificate,
      key,
    };
    this.#file.write(this.#identity);
    await this.#publish({ cluster, revision: 1, members: [member] });
    return member;
  }

  /** Throws ALREADY_MEMBER. */
  refuseMember(): void {
    if (this.#identity)
      throw new BayError("ALREADY_MEMBER", "this host already belongs to a cluster", {
        hint: "bay host ls shows its members; bay host leave leaves it",
      });
  }

  /** A token for one more host. Throws NOT_A_MEMBER, NOT_THE_AUTHORITY. */
  invite(lifetime: number): string {
    const { authority } = this.#requireAuthority();
    return this.invitations.create(authority, lifetime);
  }

  #requireAuthority(): Identity & { authorityKey: string } {
    const identity = this.requireIdentity();
    const { authorityKey } = identity;
    if (authorityKey !== undefined) return { ...identity, authorityKey };
    throw new BayError(
      "NOT_THE_AUTHORITY",
      `the host ${this.authority?.name ?? "with the authority"} changes the members`,
      {
        hint: `run the command on ${this.authority?.name ?? "that host"}`,
      },
    );
  }

  /** Admits a host that has a token. Throws BAD_TOKEN, HOST_NAME_TAKEN, BAD_REQUEST. */
  async admit(token: { id: string; secret: string }, request: string, facts: HostFacts): Promise<Admission> {
    const identity = this.#requireAuthority();
    this.#checkUnique(facts);
    this.invitations.redeem(token.id, token.secret);
    const { issueCertificate, validFrom } = await import("../identity/certificates.ts");
    const authority = { certificate: identity.authority, key: identity.authorityKey };
    const id = newId();
    const certificate = await issueCertificate(authority, request, id);
    this.#checkUnique(facts);
    const member: Member = {
      ...facts,
      id,
      slot: freeSlot(this.members),
      role: "member",
      validFrom: validFrom(certificate),
      joinedAt: new Date().toISOString(),
    };
    await this.#change((members) => [...members, member]);
    return { certificate, authority: identity.authority, cluster: identity.cluster, id, list: this.#signed! };
  }

  /** Throws HOST_NAME_TAKEN, BAD_MEMBER if the cluster is full. */
  #checkUnique({ name, address, port }: HostFacts): void {
    const other = this.members.find(
      (member) => member.name === name || (member.address === address && member.port === port),
    );
    if (other)
      throw new BayError(
        "HOST_NAME_TAKEN",
        other.name === name
          ? `the cluster already has a host ${name}, with the address ${other.address}`
          : `the host ${other.name} already has the address ${address} and the port ${port}`,
        { hint: "join with another --name or --address, or remove that host with bay host rm" },
      );
    if (this.members.length >= MAX_MEMBERS)
      throw new BayError("BAD_MEMBER", `a cluster has at most ${MAX_MEMBERS} hosts`);
  }

  /** Keeps what the authority answered to this host. Throws ALREADY_MEMBER, UNKNOWN_AUTHORITY. */
  async accept(admission: Admission, key: string): Promise<void> {
    this.refuseMember();
    const { cluster, id, authority, certificate } = admission;
    this.#identity = { id, cluster, authority, certificate, key };
    if (!(await this.acceptList(admission.list))) {
      this.#identity = undefined;
      throw new BayError(
        "UNKNOWN_AUTHORITY",
        "the list of members was not signed by the cluster's authority",
      );
    }
    this.#file.write(this.#identity);
    this.changed();
  }

  /** Takes over a newer list that the authority signed. Returns false if it did not sign it. */
  async acceptList(signed: SignedList): Promise<boolean> {
    const identity = this.#identity;
    if (!identity) return false;
    if (signed.list === this.#signed?.list) return true;
    const { isSigned } = await import("../identity/certificates.ts");
    if (!isSigned(signed.list, signed.signature, identity.authority)) return false;
    const parsed = memberListSchema.safeParse(JSON.parse(signed.list));
    if (!parsed.success || parsed.data.cluster !== identity.cluster) return false;
    if (parsed.data.revision <= (this.#list?.revision ?? 0)) return true;
    this.store.put(LIST, signed);
    this.#adopt(signed);
    this.changed();
    return true;
  }

  #adopt(signed: SignedList): void {
    this.#signed = signed;
    this.#list = memberListSchema.parse(JSON.parse(signed.list));
  }

  async #change(edit: (members: readonly Member[]) => Member[]): Promise<void> {
    const list = this.#list!;
    await this.#publish({ ...list, revision: list.revision + 1, members: edit(list.members) });
  }

  async #publish(list: MemberList): Promise<void> {
    const { signText } = await import("../identity/certificates.ts");
    const text = JSON.stringify(memberListSchema.parse(list));
    const signed = { list: text, signature: signText(text, this.#identity!.authorityKey!) };
    this.store.put(LIST, signed);
    this.#adopt(signed);
    this.changed();
  }

  /** Changes labels: an undefined value removes one. Throws HOST_NOT_FOUND, NOT_THE_AUTHORITY. */
  label(nameOrId: string, labels: Record<string, string | undefined>): Promise<Member> {
    return this.#edit(nameOrId, (member) => ({ labels: merged(member.labels, labels) }));
  }

  /** Replaces a member's address, after it got another one. Throws HOST_NOT_FOUND, NOT_THE_AUTHORITY. */
  move(nameOrId: string, address: string): Promise<Member> {
    return this.#edit(nameOrId, () => ({ address }));
  }

  async #edit(nameOrId: string, change: (member: Member) => Partial<Member>): Promise<Member> {
    this.#requireAuthority();
    const { id } = this.require(nameOrId);
    await this.#change((members) =>
      members.map((member) => (member.id === id ? { ...member, ...change(member) } : member)),
    );
    return this.require(id);
  }

  /** Removes a member: its certificate counts no more. Throws HOST_NOT_FOUND, NOT_THE_AUTHORITY, BAD_MEMBER. */
  async remove(nameOrId: string): Promise<Member> {
    this.#requireAuthority();
    const member = this.require(nameOrId);
    if (member.role === "authority")
      throw new BayError("BAD_MEMBER", `the host ${member.name} has the authority of the cluster`, {
        hint: "remove the other hosts, then run bay host leave on it",
      });
    await this.#change((members) => members.filter(({ id }) => id !== member.id));
    return member;
  }

  /** Issues another certificate for a member. The one before counts until `retire`. Throws NOT_THE_AUTHORITY, HOST_NOT_FOUND. */
  async renew(nameOrId: string, request: string): Promise<string> {
    const { authority, authorityKey } = this.#requireAuthority();
    const member = this.require(nameOrId);
    const { issueCertificate } = await import("../identity/certificates.ts");
    return issueCertificate(
      { certificate: authority, key: authorityKey },
      request,
      member.id,
      member.validFrom,
    );
  }

  /** From now on only certificates of a member that begin at this time or later count. */
  async retire(nameOrId: string, validFrom: number): Promise<void> {
    await this.#edit(nameOrId, (member) => ({ validFrom: Math.max(member.validFrom, validFrom) }));
  }

  /** Uses a renewed certificate from now on. */
  useCertificate(certificate: string, key: string): void {
    this.#identity = { ...this.requireIdentity(), certificate, key };
    this.#file.write(this.#identity);
    this.changed();
  }

  /** Forgets the cluster. Throws NOT_A_MEMBER. */
  leave(): void {
    if (!this.#identity) this.requireIdentity();
    this.#file.remove();
    this.store.delete(LIST);
    this.#identity = undefined;
    this.#signed = undefined;
    this.#list = undefined;
    this.changed();
  }
}

const newId = () => randomBytes(16).toString("hex");

/** The slot after the highest one, so that a removed host's addresses are not used again soon; then the first free one. */
function freeSlot(members: readonly Member[]): number {
  const used = new Set(members.map(({ slot }) => slot));
  const next = Math.max(-1, ...used) + 1;
  if (next < 256) return next;
  for (let slot = 0; ; slot += 1) if (!used.has(slot)) return slot;
}

function merged(
  labels: Record<string, string>,
  changes: Record<string, string | undefined>,
): Record<string, string> {
  const all = { ...labels, ...changes };
  return Object.fromEntries(
    Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
