/**
 * The wire format of netlink (netlink(7), rtnetlink(7)): nlmsghdr {u32 length, u16 type, u16 flags, u32
 * sequence, u32 port}, then a family header, then attributes {u16 length, u16 type, payload, padded to 4}.
 */

export interface Attribute {
  type: number;
  payload: Buffer;
}

const align = (length: number) => (length + 3) & ~3;

/** One attribute. A list of buffers is a nested attribute. */
export function attribute(type: number, payload: Buffer | Buffer[]): Buffer {
  const content = Array.isArray(payload) ? Buffer.concat(payload) : payload;
  const bytes = Buffer.alloc(align(4 + content.length));
  bytes.writeUInt16LE(4 + content.length, 0);
  bytes.writeUInt16LE(type, 2);
  content.copy(bytes, 4);
  return bytes;
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}

export function u8(value: number): Buffer {
  return Buffer.from([value]);
}

export function text(value: string): Buffer {
  return Buffer.from(`${value}\0`);
}

/** The attributes in a buffer. Stops at the first that is malformed. */
export function parseAttributes(bytes: Buffer): Attribute[] {
  const attributes: Attribute[] = [];
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at);
    if (length < 4 || at + length > bytes.length) break;
    attributes.push({
      type: bytes.readUInt16LE(at + 2) & 0x3fff,
      payload: bytes.subarray(at + 4, at + length),
    });
    at += align(length);
  }
  return attributes;
}

/** The payload of the first attribute of a type. */
export function find(attributes: readonly Attribute[], type: number): Buffer | undefined {
  return attributes.find((candidate) => candidate.type === type)?.payload;
}

export interface Message {
  type: number;
  flags: number;
  sequence: number;
  body: Buffer;
}

export function encodeMessage(message: Message): Buffer {
  const bytes = Buffer.alloc(16 + message.body.length);
  bytes.writeUInt32LE(bytes.length, 0);
  bytes.writeUInt16LE(message.type, 4);
  bytes.writeUInt16LE(message.flags, 6);
  bytes.writeUInt32LE(message.sequence, 8);
  message.body.copy(bytes, 16);
  return bytes;
}

/** The messages in one datagram. */
export function decodeMessages(bytes: Buffer): Message[] {
  const messages: Message[] = [];
  for (let at = 0; at + 16 <= bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    if (length < 16 || at + length > bytes.length) break;
    messages.push({
      type: bytes.readUInt16LE(at + 4),
      flags: bytes.readUInt16LE(at + 6),
      sequence: bytes.readUInt32LE(at + 8),
      body: bytes.subarray(at + 16, at + length),
    });
    at += align(length);
  }
  return messages;
}
