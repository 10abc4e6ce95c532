import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Kind } from '#machinery/kind.ts';
import { methodNotAllowed, notAcceptable, StatusError } from '#machinery/status-error.ts';
import { versionInfo } from '#machinery/version.ts';
import type { Exchange } from '../rest/exchange.ts';
import { parseAccept } from '../rest/media-type.ts';
import { jsonType } from '../rest/negotiation.ts';
import { send, sendJson, writeHead, type Headers } from '../rest/reply.ts';
import { openapiV2 } from './v2.ts';
import { encodeOpenapiV2 } from './v2-protobuf.ts';
import { byDocument, openapiV3Document, openapiV3Index } from './v3.ts';

/** The protobuf form of v2: clients ask for the first, whose `@` their parser of replies then refuses. */
const v2ProtobufAsked = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';
const v2ProtobufSent = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';
/** A document whose URL names its hash never changes. */
const immutableSecondsMax = 31_536_000;

interface Document {
  readonly body: Buffer;
  /** SHA-512 of the body in upper-case hex, as upstream's. */
  readonly hash: string;
}

/**
 * Answers `/openapi/v2` and `/openapi/v3` to callers already authorized. Documents are made when they are first asked
 * for and kept for as long as `kinds()` gives the same list.
 */
export class OpenApiHandler {
  readonly #kinds: () => readonly Kind[];
  readonly #isPublished: (kind: Kind) => boolean;
  readonly #others: () => Readonly<Record<string, unknown>>;
  #madeOf: readonly Kind[] | undefined;
  #published: readonly Kind[] = [];
  #v3: ReadonlyMap<string, readonly Kind[]> = new Map();
  readonly #documents = new Map<string, Document>();

  /** `others` are documents that somebody else answers for. */
  constructor(
    kinds: () => readonly Kind[],
    isPublished: (kind: Kind) => boolean = () => true,
    others: () => Readonly<Record<string, unknown>> = () => ({}),
  ) {
    this.#kinds = kinds;
    this.#isPublished = isPublished;
    this.#others = others;
  }

  /** True for the paths that `handle()` answers. */
  answers(path: string): boolean {
    return path === '/openapi/v2' || path === '/openapi/v3' || path.startsWith('/openapi/v3/');
  }

  /** Throws NotFound for a group version that has no kinds, NotAcceptable for a form there is none of. */
  async handle(exchange: Exchange, path: string): Promise<void> {
    if (exchange.method !== 'GET' && exchange.method !== 'HEAD') {
      throw methodNotAllowed('the server does not allow this method on the requested resource');
    }
    this.#refresh();
    if (path === '/openapi/v2') return this.#sendV2(exchange);
    mediaTypeOf(exchange, [jsonType]);
    if (path === '/openapi/v3') {
      const { paths } = openapiV3Index(this.#v3.keys(), (each) => this.#hashOf(each, this.#v3.get(each) ?? []));
      return sendJson(exchange, 200, { paths: { ...(paths as object), ...this.#others() } });
    }
    const name = path.slice('/openapi/v3/'.length);
    const kinds = this.#v3.get(name);
    if (kinds === undefined) throw new StatusError('NotFound', 'the server could not find the requested resource');
    const document = this.#documentOf(name, kinds);
    const asked = exchange.query.get('hash');
    if (asked !== null && asked !== document.hash) {
      if (writeHead(exchange, 301, { location: `${path}?hash=${document.hash}` })) exchange.res.end();
      return undefined;
    }
    const caching: Headers =
      asked === null ? {} : { 'cache-control': `public, immutable, max-age=${immutableSecondsMax}` };
    return reply(exchange, jsonType, document, caching);
  }

  #sendV2(exchange: Exchange): Promise<void> {
    const type = mediaTypeOf(exchange, [jsonType, v2ProtobufAsked, v2ProtobufSent]);
    const make = () => openapiV2(this.#published);
    if (type === jsonType)
      return reply(
        exchange,
        type,
        this.#document('v2', () => JSON.stringify(make())),
        {},
      );
    return reply(
      exchange,
      v2ProtobufSent,
      this.#document('v2 protobuf', () => encodeOpenapiV2(make())),
      {},
    );
  }

  #documentOf(path: string, kinds: readonly Kind[]): Document {
    const make = () => JSON.stringify(openapiV3Document(kinds));
    const hash = customHashOf(kinds);
    if (hash === undefined) return this.#document(path, make);
    // Documents of custom resources are many, and rarely asked for twice: clients keep them by their hash.
    return { body: Buffer.from(make()), hash };
  }

  #hashOf(path: string, kinds: readonly Kind[]): string {
    return customHashOf(kinds) ?? this.#documentOf(path, kinds).hash;
  }

  #document(id: string, make: () => string | Uint8Array): Document {
    let document = this.#documents.get(id);
    if (document === undefined) {
      const made = make();
      const body =
        typeof made === 'string' ? Buffer.from(made) : Buffer.from(made.buffer, made.byteOffset, made.length);
      document = { body, hash: createHash('sha512').update(body).digest('hex').toUpperCase() };
      this.#documents.set(id, document);
    }
    return document;
  }

  #refresh(): void {
    const kinds = this.#kinds();
    if (kinds === this.#madeOf) return;
    this.#madeOf = kinds;
    this.#published = kinds.filter(this.#isPublished);
    const before = this.#v3;
    this.#v3 = byDocument(this.#published);
    for (const id of this.#documents.keys()) {
      if (
        !isDeepStrictEqual(before.get(id)?.map(identityOf), this.#v3.get(id)?.map(identityOf)) ||
        id.startsWith('v2')
      ) {
        this.#documents.delete(id);
      }
    }
  }
}

/** Kinds that always are there are what they are; others change with their definition. */
const identityOf = (kind: Kind) => `${kind.kind} ${kind.custom?.family.fingerprint ?? ''}`;

/**
 * The hash of a document of custom resources alone, known without making it: a thousand definitions have a thousand
 * documents, and whoever asks where they are asks for few of them.
 */
function customHashOf(kinds: readonly Kind[]): string | undefined {
  if (kinds.some(({ custom }) => custom === undefined)) return undefined;
  const text = [versionInfo.gitVersion, ...kinds.map(identityOf)].join('\n');
  return createHash('sha512').update(text).digest('hex').toUpperCase();
}

async function reply(exchange: Exchange, type: string, { body, hash }: Document, caching: Headers): Promise<void> {
  const etag = `"${hash}"`;
  const headers = { etag, vary: 'Accept', ...caching };
  const known = exchange.req.headers['if-none-match'] ?? '';
  if (known.split(',').some((each) => each.trim().replace(/^W\//, '') === etag)) {
    if (writeHead(exchange, 304, headers)) exchange.res.end();
    return;
  }
  await send(exchange, 200, type, body, headers);
}

/** What the client likes best of `offered`; the first for a client that takes anything. */
function mediaTypeOf(exchange: Exchange, offered: readonly string[]): string {
  for (const { type } of parseAccept(exchange.req.headers.accept)) {
    if (type === '*/*' || type === 'application/*') return offered[0]!; // there is one at least
    if (offered.includes(type)) return type;
  }
  throw notAcceptable(`only the following media types are accepted: ${offered.join(', ')}`);
}
