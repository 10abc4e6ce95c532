import type { Kind } from '#machinery/kind.ts';
import { allVerbs } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import { methodNotAllowed } from '#machinery/status-error.ts';
import type { Api, Target } from '../api.ts';
import { readBodyAs } from './body-decoding.ts';
import type { Exchange } from './exchange.ts';
import { negotiate, typeOf, type Shape } from './negotiation.ts';
import { flagOf, isDryRun, listParameters } from './parameters.ts';
import { lengthOf, listParts } from './wire.ts';
import { piecesOf, send, sendJson, sendPieces } from './reply.ts';
import { unknownPath, type ResourcePath } from './request-path.ts';
import { objectEncoder, streamWatch, type EventEncoder } from './watch-stream.ts';

/** How long a watch lasts if the client does not say: a random time, so that they do not all end at once. Source: upstream. */
const watchMsMin = 1_800_000;

const listShapes = new Set<Shape>(['object', 'Table', 'PartialObjectMetadataList']);
const objectShapes = new Set<Shape>(['object', 'Table', 'PartialObjectMetadata']);

/** Serves the objects of the catalog. */
export class ResourceHandler {
  readonly #api: Api;
  readonly #encoders = new Map<string, EventEncoder>();
  readonly #flush: (fn: () => void) => void;

  constructor(api: Api, flush: (fn: () => void) => void) {
    this.#api = api;
    this.#flush = flush;
  }

  async handle(exchange: Exchange, path: ResourcePath): Promise<void> {
    const kind = this.#api.catalog.byPlural(path.groupVersion, path.plural);
    if (kind === undefined) throw unknownPath();
    const target: Target<ApiObject> = {
      kind,
      namespace: path.namespace,
      name: path.name,
      subresource: path.subresource,
    };
    const verbs = kind.verbs ?? allVerbs;
    const named = path.name !== undefined;
    switch (exchange.method) {
      case 'GET':
      case 'HEAD':
        if (flagOf(exchange.query, 'watch') === true) return this.#watch(exchange, target);
        return named ? this.#get(exchange, { ...target, name: path.name }) : this.#list(exchange, target);
      case 'POST':
        if (named || !verbs.includes('create')) throw wrongMethod();
        return this.#create(exchange, target);
      default:
        throw wrongMethod();
    }
  }

  async #get(exchange: Exchange, target: Target<ApiObject> & { readonly name: string }): Promise<void> {
    const representation = negotiate(exchange.req.headers.accept, { shapes: objectShapes, encodings: ['json'] });
    const item = await this.#api.get(
      target,
      { resourceVersion: exchange.query.get('resourceVersion') ?? undefined },
      exchange.context,
    );
    await send(exchange, 200, typeOf(representation.encoding), item.toBuffer());
  }

  async #list(exchange: Exchange, target: Target<ApiObject>): Promise<void> {
    const representation = negotiate(exchange.req.headers.accept, { shapes: listShapes, encodings: ['json'] });
    const listing = await this.#api.list(target, listParameters(exchange.query), exchange.context);
    const parts = listParts(target.kind, listing);
    await sendPieces(exchange, 200, typeOf(representation.encoding), lengthOf(parts), piecesOf(parts));
  }

  async #watch(exchange: Exchange, target: Target<ApiObject>): Promise<void> {
    const representation = negotiate(exchange.req.headers.accept, { shapes: objectShapes, encodings: ['json'] });
    const { timeoutSeconds, ...parameters } = listParameters(exchange.query);
    const watcher = await this.#api.watch(target, parameters, exchange.context);
    const ms = timeoutSeconds === undefined ? watchMsMin * (1 + Math.random()) : timeoutSeconds * 1000;
    const signal = AbortSignal.any([exchange.context.signal, AbortSignal.timeout(ms)]);
    await streamWatch({ ...exchange, context: { ...exchange.context, signal } }, watcher, this.#encoder(target.kind), {
      contentType: typeOf(representation.encoding),
      flush: this.#flush,
    });
  }

  async #create(exchange: Exchange, target: Target<ApiObject>): Promise<void> {
    const created = await this.#api.create(
      target,
      () => readBodyAs(exchange, target.kind),
      { dryRun: isDryRun(exchange.query.getAll('dryRun')) },
      exchange.context,
    );
    await sendJson(exchange, 201, created);
  }

  #encoder(kind: Kind): EventEncoder {
    const id = `${kind.group}/${kind.version}/${kind.plural}`;
    let encoder = this.#encoders.get(id);
    if (encoder === undefined) this.#encoders.set(id, (encoder = objectEncoder(kind)));
    return encoder;
  }
}

const wrongMethod = () => methodNotAllowed('the server does not allow this method on the requested resource');
