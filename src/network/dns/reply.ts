import { encode, type Answer } from 'dns-packet';
import { types, type Query } from './wire.ts';

/** A record in wire format, ready to be put into any number of replies. */
export interface WireRecord {
  /** The owner's name in lower case, without the last dot. */
  readonly name: string;
  readonly bytes: Buffer;
  /** Where in `bytes` the owner's name ends. */
  readonly bodyAt: number;
}

/** `answer`'s name must be in lower case and made of labels of at most 63 ASCII characters. */
export function wireRecord(answer: Exclude<Answer, { type: 'OPT' }>): WireRecord {
  const bytes = encode({ type: 'response', answers: [{ class: 'IN', ...answer }] }).subarray(12);
  return { name: answer.name, bytes, bodyAt: answer.name.length + 2 };
}

export interface ReplyContent {
  readonly code: number;
  readonly answers?: readonly WireRecord[];
  readonly authorities?: readonly WireRecord[];
  readonly additionals?: readonly WireRecord[];
}

const headerBytes = 12;
const optBytes = 11;
/** What a reply over UDP may take without being cut into fragments on common links (DNS flag day 2020). */
export const udpBytesMax = 1_232;
const plainUdpBytesMax = 512;
export const tcpBytesMax = 65_535;

/** How long a reply over UDP to this query may be. */
export const udpLimitOf = ({ edns }: Pick<Query, 'edns'>) =>
  edns === undefined ? plainUdpBytesMax : Math.min(edns.udpBytesMax, udpBytesMax);

/**
 * An authoritative reply of at most `bytesMax`. Answers that do not fit are left out and the reply is marked
 * truncated, so that the client may come again over TCP or make do; additional records are left out silently.
 */
export function buildReply(query: Query, content: ReplyContent, bytesMax: number): Buffer {
  const { answers = [], authorities = [], additionals = [], code } = content;
  const parts: Buffer[] = [];
  let left = bytesMax - headerBytes - query.question.length - (query.edns === undefined ? 0 : optBytes);
  const take = (records: readonly WireRecord[]) => {
    let taken = 0;
    for (const record of records) {
      // Where the owner is what was asked for, a pointer to the question says so in two bytes.
      const isAsked = record.name === query.name;
      const length = isAsked ? record.bytes.length - record.bodyAt + 2 : record.bytes.length;
      if (length > left) break;
      left -= length;
      if (isAsked) parts.push(pointerToQuestion, record.bytes.subarray(record.bodyAt));
      else parts.push(record.bytes);
      taken++;
    }
    return taken;
  };
  const counts = [take(answers), take(authorities), take(additionals)] as const;
  const isTruncated = counts[0] < answers.length;
  const header = headerOf(query, code, isTruncated, true);
  header.writeUInt16BE(counts[0], 6);
  header.writeUInt16BE(counts[1], 8);
  header.writeUInt16BE(counts[2] + (query.edns === undefined ? 0 : 1), 10);
  return Buffer.concat([header, query.question, ...parts, ...(query.edns === undefined ? [] : [ownOpt])]);
}

const pointerToQuestion = Buffer.from([0xc0, headerBytes]);
/** An OPT record: the root's name, the type, what we take over UDP, no flags, no options. */
const ownOpt = Buffer.from([0, 0, types.OPT, udpBytesMax >> 8, udpBytesMax & 255, 0, 0, 0, 0, 0, 0]);

function headerOf(query: Query, code: number, isTruncated: boolean, isAuthoritative: boolean): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt16BE(query.id, 0);
  const flags = 0x8080 | (isAuthoritative ? 0x0400 : 0) | (isTruncated ? 0x0200 : 0);
  header.writeUInt16BE(flags | (query.recursionDesired ? 0x0100 : 0) | code, 2);
  header.writeUInt16BE(1, 4);
  return header;
}

/** A reply without records: an error, or (truncated) "ask again over TCP". */
export function bareReply(query: Query, code: number, isTruncated = false): Buffer {
  return Buffer.concat([headerOf(query, code, isTruncated, false), query.question]);
}

/** The answer to something that was no proper query: nothing but its id and a code. */
export function refusalReply(id: number, code: number): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(0x8080 | code, 2);
  return header;
}
