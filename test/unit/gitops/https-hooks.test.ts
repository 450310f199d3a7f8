/** Webhooks over HTTPS: the certificate, its renewal without a restart, and a renewal that is not complete. */
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect, type PeerCertificate } from "node:tls";
import { afterAll, expect, it } from "vitest";
import { Listening } from "../../../src/gitops/hooks/listener-settings.ts";
import { eventually } from "../../support/bay.ts";
import { Certificates } from "../../support/certificates.ts";
import { MemoryStore } from "../../support/memory-store.ts";

const pki = new Certificates();
const authority = pki.authority("authority");
const names = { names: "DNS:localhost", usage: "serverAuth" } as const;
const [first, second] = [pki.leaf("first", "authority", names), pki.leaf("second", "authority", names)];
const [cert, key] = [join(pki.folder, "used.pem"), join(pki.folder, "used-key.pem")];
const use = (pair: typeof first) => {
  copyFileSync(pair.certFile, cert);
  copyFileSync(pair.keyFile, key);
};
const told: string[] = [];
const listening = new Listening(
  new MemoryStore(),
  {
    secretOf: () => undefined,
    onPush: () => {},
    metrics: () => "bay_gitops_x 1\n",
    log: (text) => void told.push(text),
  },
  20,
);
afterAll(async () => {
  await listening.close();
  pki.remove();
});

/** The name in the certificate that the listener shows to a client that trusts the authority. */
const shown = () =>
  new Promise<string>((resolve, reject) => {
    const { port } = listening.shown()!;
    const options = { host: "127.0.0.1", port, servername: "localhost", ca: authority.cert };
    const socket = connect(options, () => {
      const { subject } = socket.getPeerCertificate() as PeerCertificate;
      socket.destroy();
      resolve(String(subject.CN));
    });
    socket.on("error", reject);
  });

it("uses a renewed certificate without a restart, and keeps it while the next one is not complete", async () => {
  use(first);
  await listening.set({ address: "127.0.0.1", port: 0, cert, key, metrics: true });
  expect(await shown()).toBe("first");
  const { port } = listening.shown()!;
  use(second);
  await eventually(async () => expect(await shown()).toBe("second"));
  expect(listening.shown()).toMatchObject({ port });
  // the new certificate is there, and its key is not
  copyFileSync(first.certFile, cert);
  await eventually(() => expect(listening.shown()!.problem).toMatch(/cannot be used/));
  expect(await shown()).toBe("second");
  writeFileSync(cert, "half of a file");
  await eventually(() => expect(listening.shown()!.problem).toMatch(/is not a PEM file/));
  expect(await shown()).toBe("second");
  expect(told.length).toBeLessThanOrEqual(3);
  use(first);
  await eventually(async () => expect(await shown()).toBe("first"));
  expect(listening.shown()!.problem).toBeUndefined();
});

it("refuses a key of another certificate, and plain HTTP", async () => {
  copyFileSync(second.keyFile, key);
  const other = { address: "127.0.0.1", port: 0, cert, key, metrics: false };
  await expect(listening.set(other)).rejects.toMatchObject({ code: "BAD_CERTIFICATE" });
  await expect(fetch(`http://127.0.0.1:${listening.shown()!.port}/`)).rejects.toThrow();
});
