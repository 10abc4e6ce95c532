import { decode } from 'dns-packet';
import { resolve, type DomainFacts } from './answer.ts';
import type { Forwarder } from './forwarder.ts';
import { bareReply, buildReply, refusalReply, tcpBytesMax, udpLimitOf, wireRecord, type WireRecord } from './reply.ts';
import { codes, parseQuery, questionOf, types, type Query } from './wire.ts';
import type { Zone } from './zone.ts';

export interface ResponderOptions {
  readonly zone: Pick<Zone, 'service' | 'hasNamespace' | 'namesOfAddress'>;
  readonly facts: DomainFacts;
  readonly forwarder: Pick<Forwarder, 'ask'>;
  readonly random: () => number;
}

export interface Responder {
  /**
   * The reply to a message, as long as the transport allows; undefined for what deserves none. What the cluster
   * knows is answered at once, the rest as a promise that never rejects.
   */
  (message: Buffer, transport: 'udp' | 'tcp', signal: AbortSignal): Buffer | undefined | Promise<Buffer>;
}

/** The DNS server without its sockets. */
export function responder({ zone, facts, forwarder, random }: ResponderOptions): Responder {
  return (message, transport, signal) => {
    const query = parseQuery(message);
    if (query === undefined) return undefined;
    if ('refusal' in query) return refusalReply(query.id, query.refusal);
    const limit = transport === 'tcp' ? tcpBytesMax : udpLimitOf(query);
    // RFC 8482: "any" is answered with next to nothing, as it serves only those who want large answers sent elsewhere.
    if (query.type === types.ANY)
      return buildReply(query, { code: codes.noError, answers: [noAny(query.name)] }, limit);
    const resolution = resolve(query.name, query.type, zone, facts, random);
    switch (resolution.kind) {
      case 'own':
        return buildReply(query, resolution.content, limit);
      case 'foreign':
        return forward(query, limit, forwarder, signal);
      case 'alias':
        return followAlias(query, resolution.records, resolution.target, limit, forwarder, signal);
    }
  };
}

const hostName = /^[\x21-\x7e]+$/;
const noAny = (name: string): WireRecord =>
  wireRecord({ name: hostName.test(name) ? name : '', type: 'HINFO', ttl: 3_600, data: { cpu: 'RFC8482', os: '' } });

async function forward(
  query: Query,
  limit: number,
  forwarder: Pick<Forwarder, 'ask'>,
  signal: AbortSignal,
): Promise<Buffer> {
  const reply = await forwarder.ask(query, signal).catch(() => undefined);
  if (reply === undefined) return bareReply(query, codes.serverFailure);
  if (reply.length > limit) return bareReply(query, codes.noError, true);
  reply.writeUInt16BE(query.id, 0);
  query.question.copy(reply, 12); // same length: differs in letter case at most
  return reply;
}

/** An alias out of the cluster: our CNAMEs, followed by whatever the host's servers say of where they lead. */
async function followAlias(
  query: Query,
  aliases: readonly WireRecord[],
  target: string,
  limit: number,
  forwarder: Pick<Forwarder, 'ask'>,
  signal: AbortSignal,
): Promise<Buffer> {
  const question = questionOf(target, query.type);
  const reply = await forwarder.ask({ question, edns: undefined }, signal).catch(() => undefined);
  const found = reply === undefined ? undefined : answersOf(reply);
  return buildReply(
    query,
    { code: found?.code ?? codes.serverFailure, answers: [...aliases, ...(found?.answers ?? [])] },
    limit,
  );
}

/** The answers of a reply as records for one of ours; undefined for what cannot be read. */
function answersOf(reply: Buffer): { readonly code: number; readonly answers: readonly WireRecord[] } | undefined {
  try {
    const answers = (decode(reply).answers ?? []).flatMap((answer) =>
      answer.type === 'OPT' || !hostName.test(answer.name)
        ? []
        : [wireRecord({ ...answer, name: answer.name.toLowerCase() })],
    );
    return { code: reply.readUInt16BE(2) & 15, answers };
  } catch {
    return undefined;
  }
}
