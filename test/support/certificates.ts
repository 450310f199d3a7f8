/** Certificates of a test's own, made by openssl(1): authorities, and certificates that they sign. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Pair {
  certFile: string;
  keyFile: string;
  cert: string;
  key: string;
}

export interface LeafOptions {
  /** subjectAltName, such as `DNS:localhost,IP:127.0.0.1`. */
  names?: string;
  usage?: "serverAuth" | "clientAuth";
  /** Negative for a certificate that has expired. */
  days?: number;
}

const EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

export class Certificates {
  readonly folder = mkdtempSync(join(tmpdir(), "bay-pki-"));

  #openssl(...args: string[]): void {
    execFileSync("openssl", args, { cwd: this.folder, stdio: "pipe" });
  }

  #pair(name: string): Pair {
    const [certFile, keyFile] = [join(this.folder, `${name}.pem`), join(this.folder, `${name}-key.pem`)];
    return { certFile, keyFile, cert: readFileSync(certFile, "utf8"), key: readFileSync(keyFile, "utf8") };
  }

  /** An authority; `commonName` may be that of another one. */
  authority(name: string, commonName = name): Pair {
    const extension = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign"];
    const out = ["-keyout", `${name}-key.pem`, "-out", `${name}.pem`, "-days", "30"];
    this.#openssl("req", "-x509", ...EC, ...out, "-subj", `/CN=${commonName}`, ...extension);
    return this.#pair(name);
  }

  /** A certificate that an authority has signed. */
  leaf(name: string, authority: string, { names, usage, days = 10 }: LeafOptions = {}): Pair {
    const request = ["-keyout", `${name}-key.pem`, "-out", `${name}.csr`, "-subj", `/CN=${name}`];
    this.#openssl("req", ...EC, ...request);
    const extensions = [
      ...(names ? [`subjectAltName=${names}`] : []),
      ...(usage ? [`extendedKeyUsage=${usage}`] : []),
      "keyUsage=digitalSignature",
    ];
    writeFileSync(join(this.folder, `${name}.ext`), `${extensions.join("\n")}\n`);
    const signed = ["-CA", `${authority}.pem`, "-CAkey", `${authority}-key.pem`, "-CAcreateserial"];
    const how = ["-days", String(days), "-extfile", `${name}.ext`, "-out", `${name}.pem`];
    this.#openssl("x509", "-req", "-in", `${name}.csr`, ...signed, ...how);
    return this.#pair(name);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
