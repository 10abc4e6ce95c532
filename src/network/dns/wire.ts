/**
 * The few parts of a DNS message (RFC 1035 §4, RFC 6891) that a server must read before it trusts anything: header,
 * question, OPT, and where the records of a reply lie. Every read is checked against the message's end, and nothing
 * here throws but `Malformed`.
 */
export const types = { A: 1, NS: 2, CNAME: 5, SOA: 6, PTR: 12, TXT: 16, AAAA: 28, SRV: 33, OPT: 41, ANY: 255 } as const;
export const codes = {
  noError: 0,
  formatError: 1,
  serverFailure: 2,
  noSuchName: 3,
  notImplemented: 4,
  refused: 5,
} as const;

const headerBytes = 12;
const classInternet = 1;
const zoneTransferTypes = [251, 252];
const nameBytesMax = 255;
const optBytesMin = 512;

export interface Query {
  readonly id: number;
  readonly recursionDesired: boolean;
  /** Lower case, without the last dot; a label with a dot or bytes outside of ASCII in it never equals a known name. */
  readonly name: string;
  readonly type: number;
  /** The question as it came, letter case included. */
  readonly question: Buffer;
  /** What the client says of itself in an OPT record. */
  readonly edns: { readonly udpBytesMax: number; readonly dnssecOk: boolean } | undefined;
}

export class Malformed extends Error {}

/** A query, or the code with which to answer what cannot be one; undefined for what deserves no answer at all. */
export type Parsed = Query | { readonly refusal: number; readonly id: number } | undefined;

export function parseQuery(message: Buffer): Parsed {
  if (message.length < headerBytes) return undefined;
  const id = message.readUInt16BE(0);
  const flags = message.readUInt16BE(2);
  if ((flags & 0x8000) !== 0) return undefined; // a reply: answering it could start an endless exchange
  if (((flags >> 11) & 15) !== 0) return { refusal: codes.notImplemented, id };
  if (message.readUInt16BE(4) !== 1) return { refusal: codes.formatError, id };
  try {
    const { name, end } = readName(message, headerBytes);
    if (end + 4 > message.length) return { refusal: codes.formatError, id };
    const type = message.readUInt16BE(end);
    const isInternet = message.readUInt16BE(end + 2) === classInternet;
    if (!isInternet || zoneTransferTypes.includes(type)) return { refusal: codes.refused, id };
    const question = message.subarray(headerBytes, end + 4);
    const edns = readEdns(message, end + 4);
    return { id, recursionDesired: (flags & 0x0100) !== 0, name, type, question, edns };
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return { refusal: codes.formatError, id };
  }
}

/** A name without compression, as questions have it. */
function readName(message: Buffer, start: number): { readonly name: string; readonly end: number } {
  const labels: string[] = [];
  let at = start;
  for (;;) {
    const length = message[at];
    if (length === undefined || length > 63 || at - start > nameBytesMax) throw new Malformed('bad name');
    at++;
    if (length === 0) return { name: labels.join('.').toLowerCase(), end: at };
    if (at + length > message.length) throw new Malformed('bad name');
    const label = message.toString('latin1', at, at + length);
    labels.push(label.includes('.') ? label.replaceAll('.', '\\.') : label);
    at += length;
  }
}

/** The end of a name that may be compressed; where a pointer leads does not matter for that. */
function skipName(message: Buffer, start: number): number {
  let at = start;
  for (;;) {
    const length = message[at];
    if (length === undefined) throw new Malformed('name without end');
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2;
    if (length > 63) throw new Malformed('bad label');
    at += length + 1;
  }
}

interface RecordAt {
  readonly section: 'answer' | 'authority' | 'additional';
  readonly type: number;
  readonly class: number;
  readonly ttlAt: number;
  readonly dataAt: number;
  readonly end: number;
}

/** Where each record of a message lies, from the end of its question on. */
function* recordsOf(message: Buffer, start: number): Generator<RecordAt> {
  let at = start;
  for (const [section, countAt] of [
    ['answer', 6],
    ['authority', 8],
    ['additional', 10],
  ] as const) {
    const count = message.readUInt16BE(countAt);
    for (let i = 0; i < count; i++) {
      const afterName = skipName(message, at);
      const dataAt = afterName + 10;
      if (dataAt > message.length) throw new Malformed('record without data');
      at = dataAt + message.readUInt16BE(afterName + 8);
      if (at > message.length) throw new Malformed('record beyond the end');
      const type = message.readUInt16BE(afterName);
      yield { section, type, class: message.readUInt16BE(afterName + 2), ttlAt: afterName + 4, dataAt, end: at };
    }
  }
}

function readEdns(message: Buffer, start: number): Query['edns'] {
  for (const record of recordsOf(message, start)) {
    if (record.type !== types.OPT) continue;
    const udpBytesMax = Math.max(optBytesMin, record.class);
    return { udpBytesMax, dnssecOk: (message.readUInt16BE(record.ttlAt + 2) & 0x8000) !== 0 };
  }
  return undefined;
}

/** A reply of another server, taken apart as far as checking, keeping and handing it on goes. */
export interface Reply {
  readonly message: Buffer;
  readonly id: number;
  readonly code: number;
  readonly isTruncated: boolean;
  /** Offsets of the times to live that count down. */
  readonly ttlsAt: readonly number[];
  /** Seconds for which it may be kept; 0 for what must not be. */
  readonly keepSeconds: number;
}

/** Throws Malformed unless `message` is a reply to exactly `question` (letter case aside). */
export function parseReply(message: Buffer, question: Buffer): Reply {
  const questionEnd = headerBytes + question.length;
  if (message.length < questionEnd) throw new Malformed('reply too short');
  const flags = message.readUInt16BE(2);
  if ((flags & 0x8000) === 0 || message.readUInt16BE(4) !== 1) throw new Malformed('no reply');
  const echoed = message.subarray(headerBytes, questionEnd);
  if (keyOfQuestion(echoed) !== keyOfQuestion(question)) throw new Malformed('reply to another question');
  const ttlsAt: number[] = [];
  let lowest = Infinity;
  for (const { section, type, ttlAt, dataAt, end } of recordsOf(message, questionEnd)) {
    if (type === types.OPT) continue;
    ttlsAt.push(ttlAt);
    const ttl = message.readUInt32BE(ttlAt);
    // RFC 2308: how long nothing may be remembered is the lesser of the SOA's own time and its last field.
    const isSoa = section === 'authority' && type === types.SOA && end - dataAt >= 4;
    lowest = Math.min(lowest, ttl, isSoa ? message.readUInt32BE(end - 4) : Infinity);
  }
  const code = flags & 15;
  const isTruncated = (flags & 0x0200) !== 0;
  const isKept = !isTruncated && (code === codes.noError || code === codes.noSuchName) && lowest !== Infinity;
  return { message, id: message.readUInt16BE(0), code, isTruncated, ttlsAt, keepSeconds: isKept ? lowest : 0 };
}

/** Equal for questions that differ in letter case only. */
export const keyOfQuestion = (question: Buffer) => question.toString('latin1').toLowerCase();

/** A question in wire format; `name` is made of labels of at most 63 ASCII characters. */
export function questionOf(name: string, type: number): Buffer {
  const labels = name.split('.').map((label) => Buffer.from(`${String.fromCharCode(label.length)}${label}`, 'latin1'));
  return Buffer.concat([...labels, Buffer.from([0, type >> 8, type & 255, 0, classInternet])]);
}
