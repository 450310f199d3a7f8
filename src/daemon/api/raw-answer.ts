/** An error as the bytes of an HTTP response, for connections that no response object belongs to. */
import { STATUS_CODES } from "node:http";
import { errorAnswer } from "./error-status.ts";

export function rawAnswer(error: unknown): string {
  const { status, body } = errorAnswer(error);
  const text = `${JSON.stringify(body)}\n`;
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`,
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(text)}`,
    "Connection: close",
    "",
    text,
  ].join("\r\n");
}
