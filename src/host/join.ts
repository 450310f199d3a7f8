/** The door for joining a cluster, which only a host needs that is not a member yet. */
export { requestCertificate } from "./identity/certificates.ts";
export { askStranger } from "./identity/peer-agent.ts";
export { parseToken } from "./membership/invitations.ts";
