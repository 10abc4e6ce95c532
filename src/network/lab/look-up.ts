import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { decode, encode, type RecordType } from 'dns-packet';
import type { DnsOutcome } from './lab.ts';

const timeoutMs = 3_000;

/** Asks a DNS server one question, as a stub resolver does. */
export async function lookUp(
  server: string,
  port: number,
  { protocol, name, type }: { readonly protocol: 'tcp' | 'udp'; readonly name: string; readonly type: RecordType },
): Promise<DnsOutcome> {
  const query = encode({ type: 'query', id: 4711, flags: 0x0100, questions: [{ type, name, class: 'IN' }] });
  const reply = decode(await (protocol === 'udp' ? overUdp(server, port, query) : overTcp(server, port, query)));
  const answers = (reply.answers ?? []).map((answer) => {
    const data: unknown = 'data' in answer ? answer.data : undefined;
    return `${answer.type} ${typeof data === 'string' ? data : JSON.stringify(data)}`;
  });
  const { rcode } = reply as { rcode?: string }; // there, but missing in the types
  return { code: rcode ?? '', isTruncated: reply.flag_tc, answers };
}

async function overUdp(server: string, port: number, query: Buffer): Promise<Buffer> {
  const socket = createSocket('udp4');
  try {
    socket.send(query, port, server);
    const [reply] = (await once(socket, 'message', { signal: AbortSignal.timeout(timeoutMs) })) as [Buffer];
    return reply;
  } finally {
    socket.close();
  }
}

async function overTcp(server: string, port: number, query: Buffer): Promise<Buffer> {
  const socket = connect({ host: server, port, signal: AbortSignal.timeout(timeoutMs) });
  const length = Buffer.alloc(2);
  length.writeUInt16BE(query.length);
  socket.write(Buffer.concat([length, query]));
  let received = Buffer.alloc(0);
  for await (const chunk of socket) {
    received = Buffer.concat([received, chunk as Buffer]);
    if (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) break;
  }
  socket.destroy();
  return received.subarray(2);
}
