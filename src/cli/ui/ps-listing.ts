/** The columns of `ps`: those of `docker compose ps`, and additional ones. */
import { type ContainerRow, nameOf, serviceOf } from "../named-containers.ts";
import { commandText, type Inspected, portsText, publishers } from "./container-text.ts";
import { labelColumns } from "./label-columns.ts";
import { column, type Listing } from "./listing.ts";
import { humanAge } from "./output.ts";

interface PsRow {
  row: ContainerRow;
  inspected: Inspected;
}

const projectOf = ({ Labels }: ContainerRow) => Labels["com.docker.compose.project"] ?? "";

/** `--format json` has whole IDs and commands; templates have short ones unless `isWhole`. */
export function psListing(isWhole: boolean): Listing<PsRow> {
  const columns: Listing<PsRow>["columns"] = {
    ID: column("CONTAINER ID", ({ row }) => (isWhole ? row.Id : row.Id.slice(0, 12))),
    Name: column("NAME", ({ row }) => nameOf(row)),
    Names: column("NAMES", ({ row }) => nameOf(row)),
    Image: column("IMAGE", ({ row }) => row.Image),
    Command: column("COMMAND", ({ row }) => commandText(row, isWhole)),
    Project: column("PROJECT", ({ row }) => projectOf(row)),
    Service: column("SERVICE", ({ row }) => serviceOf(row)),
    CreatedAt: column("CREATED AT", ({ inspected }) => inspected.Created),
    RunningFor: column("CREATED", ({ row }) => `${humanAge(Date.now() - row.Created * 1000)} ago`),
    State: column("STATE", ({ row }) => row.State),
    Status: column("STATUS", ({ row }) => row.Status),
    Health: column("HEALTH", ({ inspected }) => inspected.State.Health?.Status ?? ""),
    ExitCode: column("EXIT CODE", ({ inspected }) => inspected.State.ExitCode),
    Ports: column("PORTS", ({ row }) => portsText(row)),
    Publishers: column("PUBLISHERS", ({ row }) => publishers(row)),
    ...labelColumns(({ row }) => row.Labels),
    Pid: column("PID", ({ inspected }) => inspected.State.Pid),
    OOMKilled: column("OOM KILLED", ({ inspected }) => inspected.State.OOMKilled),
    EndedBy: column("ENDED BY", ({ inspected }) => inspected.State.EndedBy ?? ""),
    StartedAt: column("STARTED AT", ({ inspected }) => inspected.State.StartedAt),
    FinishedAt: column("FINISHED AT", ({ inspected }) => inspected.State.FinishedAt),
    Host: column("HOST", ({ row }) => row.Host ?? ""),
  };
  return {
    columns,
    shown: ["Name", "Image", "Command", "Service", "RunningFor", "Status", "Ports"],
    json: "lines",
    toJson: (both) => ({
      ...Object.fromEntries(
        Object.entries(columns)
          .filter(([name]) => name !== "Label")
          .map(([name, { value }]) => [name, value(both)]),
      ),
      ID: both.row.Id,
      Command: both.row.Command,
      State: both.inspected.State.Status,
      // only lists of several hosts name them
      Host: both.row.Host,
    }),
  };
}
