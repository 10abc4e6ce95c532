import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import { Malformed, parseReply, types, type Reply } from './wire.ts';
import type { Upstream } from './upstreams.ts';

/** A question to another server: what was asked, and whether in a way that only newer clients understand. */
export interface OutgoingQuestion {
  readonly question: Buffer;
  readonly edns: { readonly dnssecOk: boolean } | undefined;
}

/** Asks one server once. Rejects with the signal's reason on abort, with an Error if the server cannot be reached. */
export type Exchange = (server: Upstream, question: OutgoingQuestion, signal: AbortSignal) => Promise<Reply>;

const udpBytesMax = 1_232;
const idMax = 65_536;

function queryOf({ question, edns }: OutgoingQuestion, id: number): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(0x0100, 2); // recursion desired
  header.writeUInt16BE(1, 4);
  if (edns === undefined) return Buffer.concat([header, question]);
  header.writeUInt16BE(1, 10);
  const opt = Buffer.from([0, 0, types.OPT, udpBytesMax >> 8, udpBytesMax & 255, 0, 0, 0, 0, 0, 0]);
  if (edns.dnssecOk) opt[7] = 0x80;
  return Buffer.concat([header, question, opt]);
}

/**
 * Over UDP, each question from a port of its own with an id of its own, so that a stranger who wants to slip in an
 * answer must guess both; the kernel lets only the server's packets through. Over TCP if the answer did not fit.
 */
export const exchange: Exchange = async (server, question, signal) => {
  const reply = await overUdp(server, question, signal);
  return reply.isTruncated ? overTcp(server, question, signal) : reply;
};

function overUdp(server: Upstream, question: OutgoingQuestion, signal: AbortSignal): Promise<Reply> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error);
    const socket = createSocket(isIPv6(server.address) ? 'udp6' : 'udp4');
    const id = randomInt(idMax);
    const end = (settle: () => void) => {
      signal.removeEventListener('abort', abort);
      socket.removeAllListeners('message');
      socket.close();
      settle();
    };
    const abort = () => end(() => reject(signal.reason as Error));
    signal.addEventListener('abort', abort, { once: true });
    socket.on('error', (error) => end(() => reject(error)));
    socket.on('message', (message) => {
      const reply = replyTo(message, id, question);
      if (reply !== undefined) end(() => resolve(reply)); // else: somebody guesses; the true one may still come
    });
    socket.connect(server.port, server.address, () => {
      if (!signal.aborted) socket.send(queryOf(question, id));
    });
  });
}

function replyTo(message: Buffer, id: number, { question }: OutgoingQuestion): Reply | undefined {
  try {
    const reply = parseReply(message, question);
    return reply.id === id ? reply : undefined;
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
}

function overTcp(server: Upstream, question: OutgoingQuestion, signal: AbortSignal): Promise<Reply> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error);
    const id = randomInt(idMax);
    const socket = connect({ host: server.address, port: server.port, signal });
    let received = Buffer.alloc(0);
    const fail = (error: Error) => {
      socket.destroy();
      reject(error);
    };
    socket.on('error', (error) => fail(signal.aborted ? (signal.reason as Error) : error));
    socket.on('end', () => fail(new Error(`DNS server ${server.address} hung up`)));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]); // at most 65,537 bytes are waited for
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      const reply = replyTo(received.subarray(2, 2 + received.readUInt16BE(0)), id, question);
      if (reply === undefined) return fail(new Error(`DNS server ${server.address} gave no proper answer`));
      socket.destroy();
      resolve(reply);
    });
    const query = queryOf(question, id);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(query.length);
    socket.write(Buffer.concat([length, query]));
  });
}
