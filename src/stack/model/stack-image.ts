/** An image that bay creates from files, an archive or packages (`images:`). */
import type { AptPackages } from "../../core/apt-packages.ts";

export interface StackImage {
  source:
    | { kind: "host"; entries: string[]; users: string[] }
    | { kind: "rootfs"; path: string }
    | { kind: "archive"; path: string; reference: string | undefined }
    | ({ kind: "apt" } & AptPackages);
  base: string;
  config: {
    Entrypoint?: string[];
    Cmd?: string[];
    Env?: string[];
    WorkingDir?: string;
    User?: string;
    ExposedPorts?: Record<string, object>;
    Volumes?: Record<string, object>;
    Labels?: Record<string, string>;
    StopSignal?: string;
    Healthcheck?: {
      Test?: string[] | undefined;
      Interval?: number | undefined;
      Timeout?: number | undefined;
      StartPeriod?: number | undefined;
      StartInterval?: number | undefined;
      Retries?: number | undefined;
    };
  };
}
