/** The OpenAPI document of what bay serves, from the tables of operations, parameters, bodies and answers. */
import { z } from "zod";
import { createBody } from "../../src/daemon/api/engine/create/container-body.ts";
import { connectBody, disconnectBody, networkBody } from "../../src/daemon/api/engine/create/network-body.ts";
import { volumeBody } from "../../src/daemon/api/engine/create/volume-body.ts";
import { execBody, startBody } from "../../src/daemon/api/engine/exec.ts";
import { parameterSchemas } from "../../src/daemon/api/engine/parameters.ts";
import { authBody } from "../../src/daemon/api/engine/registry.ts";
import { updateBody } from "../../src/daemon/api/engine/update.ts";
import { API_VERSION } from "../../src/daemon/api/routing.ts";
import { OPERATIONS, type Operation } from "./engine-operations.ts";
import { errorShape, SHAPES } from "./engine-shapes.ts";

const BODIES: Record<string, z.ZodType> = {
  "POST /containers/create": createBody,
  "POST /containers/{id}/update": updateBody,
  "POST /networks/create": networkBody,
  "POST /networks/{id}/connect": connectBody,
  "POST /networks/{id}/disconnect": disconnectBody,
  "POST /volumes/create": volumeBody,
  "POST /containers/{id}/exec": execBody,
  "POST /exec/{id}/start": startBody,
  "POST /auth": authBody,
};

/** Bodies that are archives. */
const ARCHIVES = new Set([
  "PUT /containers/{id}/archive",
  "POST /build",
  "POST /images/create",
  "POST /images/load",
]);

const jsonSchema = (schema: z.ZodType, io: "input" | "output"): object => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: "any", reused: "inline" });
  return rest;
};

/** The name of an operation in the table of routes: `GET /containers/:/json`. Names of images may contain slashes. */
export const routeName = (name: string): string =>
  /^\w+ \/(images|distribution|plugins)\//.test(name)
    ? name.replace(/\{\w+\}/, "*")
    : name.replace(/\{\w+\}/, ":");

const content = (schema: z.ZodType) => ({ "application/json": { schema: jsonSchema(schema, "output") } });

function operationOf(operation: Operation): object {
  const { name, group, status, shape, refused } = operation;
  const path = [...name.matchAll(/\{(\w+)\}/g)].map(([, key]) => ({
    name: key,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  const query = Object.entries(parameterSchemas(routeName(name))).map(([key, schema]) => ({
    name: key,
    in: "query",
    schema: jsonSchema(schema, "input"),
  }));
  const body = BODIES[name];
  const archive = { content: { "application/x-tar": { schema: { type: "string", format: "binary" } } } };
  return {
    tags: [group],
    operationId: name.replace(/[^A-Za-z]+/g, "_").replace(/^_+|_+$/g, ""),
    ...(path.length + query.length > 0 ? { parameters: [...path, ...query] } : {}),
    ...(body
      ? { requestBody: { content: { "application/json": { schema: jsonSchema(body, "input") } } } }
      : {}),
    ...(ARCHIVES.has(name) ? { requestBody: archive } : {}),
    responses: {
      ...(refused
        ? {}
        : { [status]: { description: "success", ...(shape ? { content: content(SHAPES[shape]) } : {}) } }),
      default: { $ref: "#/components/responses/Error" },
    },
  };
}

/** The text of docs/engine-api.openapi.json. */
export function openApi(): string {
  const paths: Record<string, Record<string, object>> = {};
  for (const operation of OPERATIONS) {
    const [method = "", path = ""] = operation.name.split(" ");
    if (operation.refused) continue;
    paths[path] = { ...paths[path], [method.toLowerCase()]: operationOf(operation) };
  }
  const document = {
    openapi: "3.1.0",
    info: {
      title: "The Docker Engine API as bay serves it",
      version: API_VERSION,
      license: { name: "MIT" },
    },
    servers: [{ url: `/v${API_VERSION}` }],
    paths,
    components: { responses: { Error: { description: "an error", content: content(errorShape) } } },
  };
  return `${JSON.stringify(document, undefined, 1)}\n`;
}
