import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { column, formatRows, formatValue, type Listing } from "../../../src/cli/ui/listing.ts";
import { BayError } from "../../../src/core/errors.ts";
import { runs } from "../../support/property-runs.ts";

interface Row {
  name: string;
  ports: number[];
  labels: Record<string, string>;
}

const listing: Listing<Row> = {
  columns: {
    Name: column("NAME", ({ name }) => name),
    Names: column("NAMES", ({ name }) => name),
    Ports: column("PORTS", ({ ports }) => ports),
    Publishers: column("PUBLISHERS", ({ ports }) => ports.map((port) => ({ PublishedPort: port }))),
    Label: column(
      "LABEL",
      ({ labels }) =>
        (name: unknown) =>
          labels[String(name)] ?? "",
    ),
  },
  shown: ["Name"],
  json: "lines",
};
const rows: Row[] = [
  { name: "web-1", ports: [80, 443], labels: { "com.example.owner": "Ann" } },
  { name: "db-1", ports: [], labels: {} },
];
const text = (format: string, some = rows) => formatRows(format, listing, some);

describe("Go templates of --format", () => {
  // each as text/template and Docker's "Format command and log output" say it
  it.each([
    ["{{.Name}}", "web-1\ndb-1\n"],
    ["{{ .Name | upper }}", "WEB-1\nDB-1\n"],
    ["{{lower (upper .Name)}}", "web-1\ndb-1\n"],
    ["{{json .Ports}}", "[80,443]\n[]\n"],
    ["{{.Ports}}", "[80 443]\n[]\n"],
    ["{{len .Ports}}", "2\n0\n"],
    ['{{.Label "com.example.owner"}}', "Ann\n\n"],
    ["{{if .Ports}}{{index .Ports 0}}{{else}}none{{end}}", "80\nnone\n"],
    ['{{if eq .Name "web-1"}}one{{else if eq .Name "db-1"}}two{{end}}', "one\ntwo\n"],
    ["{{range .Ports}}[{{.}}]{{else}}-{{end}}", "[80][443]\n-\n"],
    ["{{range $i, $p := .Ports}}{{if $i}}, {{end}}{{$p}}{{end}}", "80, 443\n\n"],
    ["{{range .Ports}}{{if eq . 443}}{{break}}{{end}}{{.}} {{end}}", "80 \n\n"],
    ["{{range .Ports}}{{if eq . 80}}{{continue}}{{end}}{{.}} {{end}}", "443 \n\n"],
    ["{{range .Publishers}}{{.PublishedPort}};{{end}}", "80;443;\n\n"],
    ["{{with .Ports}}{{len .}}{{end}}", "2\n\n"],
    ["{{$n := .Name}}{{range .Ports}}{{$n}}{{end}}", "web-1web-1\n\n"],
    ["a {{- .Name -}} b", "aweb-1b\nadb-1b\n"],
    ["{{/* nothing */}}{{truncate .Name 2}}", "we\ndb\n"],
    ['{{join (split .Name "-") "/"}}', "web/1\ndb/1\n"],
    ['{{printf "%-6s|%03d|%q" .Name 7 "x"}}', 'web-1 |007|"x"\ndb-1  |007|"x"\n'],
    ["{{println .Name 1 true}}", "web-1 1 true\ndb-1 1 true\n"],
    ["{{pad .Name 1 2}}|", " web-1  |\n db-1  |\n"],
    ['{{title "ab cd"}}', "Ab Cd\nAb Cd\n"],
    ['{{"}}"}}', "}}\n}}\n"],
    ["{{and .Ports (gt (len .Ports) 1)}}", "true\n[]\n"],
    ["{{not .Ports}}", "false\ntrue\n"],
    ["{{slice .Name 0 2}}", "we\ndb\n"],
    ["{{$.Name}}", "web-1\ndb-1\n"],
    ["{{.Name}}\\t{{.Name}}", "web-1\tweb-1\ndb-1\tdb-1\n"],
  ])("%s", async (format, expected) => expect(await text(format)).toBe(expected));

  it("table TEMPLATE has headings and columns", async () => {
    expect(await text("table {{.Names}}\t{{len .Ports}}")).toBe("NAMES  PORTS\nweb-1  2\ndb-1   0\n");
    expect(await text('table {{.Name}}\\t{{.Label "com.example.owner"}}')).toBe(
      "NAME   OWNER\nweb-1  Ann\ndb-1\n",
    );
    expect(await text("table {{range .Publishers}}{{.PublishedPort}} {{end}}", [])).toBe("PUBLISHEDPORT\n");
    expect(await text('table {{if eq .Name "x"}}x{{else}}{{json .Name}}{{end}}', [])).toBe("x\n");
  });

  // a wrong column is an error also where no row has it
  it.each([
    ["{{.Nmae}}", "the column .Nmae does not exist"],
    ["{{range .Publishers}}{{.Port}}{{end}}", "the column .Port does not exist"],
    ["{{.Name", "expected }}"],
    ["{{if .Name}}x", "{{if}} has no {{end}}"],
    ["{{end}}", "unexpected {{end}}"],
    ["{{nosuch .Name}}", "the function nosuch does not exist"],
    ["{{.Name | }}", "is empty"],
    ['{{.Name "x"}}', ".Name takes no argument"],
    ["{{.Label}}", "expects one argument"],
    ["{{$x}}", "the variable $x is not set"],
    ["{{break}}", "outside of a range"],
    ["{{index .Ports 9}}", "outside of a list"],
    ["{{upper 1}}", "expected text"],
    ['{{define "x"}}{{end}}', "not supported"],
    ['{{printf "%99999d" 1}}', "width"],
    [`${"{{if .Name}}".repeat(60)}${"{{end}}".repeat(60)}`, "nested deeper"],
    ["{{range 100000}}{{range 100000}}{{.}}{{end}}{{end}}", "too many steps"],
    ["x".repeat(20_000), "longer than"],
  ])("%s is an error: %s", async (format, message) => {
    const failure = await text(format).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(BayError);
    expect((failure as BayError).message).toContain(message);
  });

  it("names a wrong column without any row, and lists those that exist", async () => {
    await expect(text("{{.Nmae}}", [])).rejects.toMatchObject({
      code: "BAD_TEMPLATE",
      hint: expect.stringContaining(".Name, .Names, .Ports"),
    });
  });

  it("reads nested objects and maps as docker inspect does", async () => {
    const value = {
      State: { Pid: 7 },
      Config: { Labels: { a: "1" } },
      Ports: { "80/tcp": [{ HostPort: "8080" }] },
    };
    expect(await formatValue("{{.State.Pid}}", value)).toBe("7");
    expect(await formatValue('{{(index (index .Ports "80/tcp") 0).HostPort}}', value)).toBe("8080");
    expect(await formatValue('{{index .Config.Labels "b"}}', value)).toBe("");
    expect(await formatValue("{{.Config.Labels.b}}", value)).toBe("<no value>");
    expect(await formatValue("{{range $k, $v := .Ports}}{{$k}}{{end}}", value)).toBe("80/tcp");
    await expect(formatValue("{{.State.Pdi}}", value)).rejects.toMatchObject({ code: "BAD_TEMPLATE" });
  });

  it("returns a result or an error with a code for every text", async () => {
    const part = fc.constantFrom(
      "{{",
      "}}",
      ".Name",
      ".Ports",
      " ",
      "range",
      "if",
      "end",
      "else",
      "|",
      "(",
      ")",
      '"',
      "$x",
      ":=",
      "eq",
      "len",
      "1",
      "-",
      "break",
      "\\",
      "with",
      ",",
      "index",
      "json",
      "__proto__",
      ".constructor",
    );
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 14 }), async (parts) => {
        try {
          expect(typeof (await text(`{{${parts.join(" ")}}}`))).toBe("string");
          await text(parts.join(""));
        } catch (error) {
          expect(error).toBeInstanceOf(BayError);
        }
      }),
      runs(3000),
    );
  });
});
