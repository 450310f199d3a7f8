import type { HostOptions } from "./choose-host.ts";

/** Whether one of the options of TLS is given. */
export const namesTls = ({ tls, tlsverify, tlscacert, tlscert, tlskey }: HostOptions): boolean =>
  [tls, tlsverify, tlscacert, tlscert, tlskey].some((value) => value !== undefined);
