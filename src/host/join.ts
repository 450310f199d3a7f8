/** The door for certificates and for joining a cluster, which bayd loads when it needs them. */
export { isDueForRenewal, requestCertificate, validFrom } from "./identity/certificates.ts";
export { askStranger } from "./identity/peer-agent.ts";
export { parseToken } from "./membership/invitations.ts";
