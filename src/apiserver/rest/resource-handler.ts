import { Scale } from '#api/autoscaling/scale.ts';
import { forbidden } from '#machinery/field-error.ts';
import { allVerbs, type Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import { invalidObject, methodNotAllowed, type Status } from '#machinery/status-error.ts';
import type { Api, Target, WriteParameters } from '../api.ts';
import { subresourceVerbs } from '../discovery/subresources.ts';
import type { ApplyBody } from '../verbs/apply.ts';
import { patchedBy } from '../verbs/patch.ts';
import { fieldValidationOf, isApply, readBodyAs, readConfig, readDeletion, readPatch } from './body-decoding.ts';
import type { Exchange } from './exchange.ts';
import { applyOptions, fieldManagerOf, flagOf, isDryRun, listParameters } from './parameters.ts';
import { unknownPath, type ResourcePath } from './request-path.ts';
import { negotiateList, negotiateObject, sendList, sendObject, sendStatus, sendStored } from './respond.ts';
import type { WatchHandler } from './watch-handler.ts';

type Named = Target<ApiObject> & { readonly name: string };

/** Subresources that have the shape of their object and are written with PUT and PATCH. */
const ownShape = new Set(['status', 'ephemeralcontainers', 'resize', 'finalize', 'approval']);

const wrongMethod = () => methodNotAllowed('the server does not allow this method on the requested resource');

/** Serves the objects of the catalog and their subresources, except those that open a stream. */
export class ResourceHandler {
  readonly #api: Api;
  readonly #watches: WatchHandler;

  constructor(api: Api, watches: WatchHandler) {
    this.#api = api;
    this.#watches = watches;
  }

  async handle(exchange: Exchange, kind: Kind, path: ResourcePath): Promise<void> {
    const { namespace, name, subresource } = path;
    if (kind.deprecation !== undefined) exchange.context.warn(kind.deprecation);
    if (namespace !== undefined && !kind.namespaced) throw unknownPath();
    const target: Target<ApiObject> = { kind, namespace, name, subresource };
    if (name === undefined) return this.#collection(exchange, target);
    if (kind.namespaced && namespace === undefined) throw unknownPath();
    if (subresource === undefined) return this.#object(exchange, { ...target, name });
    return this.#subresource(exchange, { ...target, name, subresource });
  }

  /** A watch over a WebSocket. Throws before the handshake for what cannot be watched. */
  async watchSocket(
    exchange: Parameters<WatchHandler['watchSocket']>[0],
    kind: Kind,
    { namespace, name, subresource }: ResourcePath,
    upgrade: Parameters<WatchHandler['watchSocket']>[3],
  ): Promise<void> {
    if (subresource !== undefined || (namespace !== undefined && !kind.namespaced)) throw unknownPath();
    if (!(kind.verbs ?? allVerbs).includes('watch')) throw wrongMethod();
    const also = name === undefined ? {} : { fieldSelector: `metadata.name=${name}` };
    await this.#watches.watchSocket(exchange, { kind, namespace, name }, also, upgrade);
  }

  async #collection(exchange: Exchange, target: Target<ApiObject>): Promise<void> {
    const { kind, namespace } = target;
    const verbs = kind.verbs ?? allVerbs;
    switch (exchange.method) {
      case 'GET':
      case 'HEAD': {
        const watch = flagOf(exchange.query, 'watch') === true;
        if (!verbs.includes(watch ? 'watch' : 'list')) throw wrongMethod();
        return watch ? this.#watches.watch(exchange, target, {}) : this.#list(exchange, target);
      }
      case 'POST':
        if (!verbs.includes('create') || (kind.namespaced && namespace === undefined)) throw wrongMethod();
        return this.#create(exchange, target);
      case 'DELETE':
        if (!verbs.includes('deletecollection') || (kind.namespaced && namespace === undefined)) throw wrongMethod();
        return this.#deleteCollection(exchange, target);
      default:
        throw wrongMethod();
    }
  }

  async #object(exchange: Exchange, target: Named): Promise<void> {
    const verbs = target.kind.verbs ?? allVerbs;
    const verb = verbOf(exchange);
    if (!verbs.includes(verb)) throw wrongMethod();
    switch (verb) {
      case 'get':
        return this.#get(exchange, target);
      case 'watch':
        return this.#watches.watch(exchange, target, { fieldSelector: `metadata.name=${target.name}` });
      case 'update':
      case 'patch':
        return this.#write(verb, exchange, target);
      case 'delete':
        return this.#delete(exchange, target);
      default:
        throw wrongMethod();
    }
  }

  async #subresource(exchange: Exchange, target: Named & { readonly subresource: string }): Promise<void> {
    const { kind, subresource } = target;
    const verbs = subresourceVerbs(kind, subresource);
    if (verbs === undefined) throw unknownPath();
    const verb = verbOf(exchange);
    if (!verbs.includes(verb)) throw wrongMethod();
    if (subresource === 'scale') return this.#scale(verb, exchange, target);
    if (verb === 'create') return this.#createBelow(exchange, target);
    if (!ownShape.has(subresource)) throw wrongMethod();
    if (verb === 'get') return this.#get(exchange, target);
    if (verb === 'update' || verb === 'patch') return this.#write(verb, exchange, target);
    throw wrongMethod();
  }

  async #get(exchange: Exchange, target: Named): Promise<void> {
    const representation = negotiateObject(exchange, target.kind);
    const resourceVersion = exchange.query.get('resourceVersion') ?? undefined;
    const item = await this.#api.get(target, { resourceVersion }, exchange.context);
    await sendStored(exchange, representation, target.kind, item, this.#api.clock.now());
  }

  async #list(exchange: Exchange, target: Target<ApiObject>): Promise<void> {
    const representation = negotiateList(exchange, target.kind);
    const parameters = listParameters(exchange.query);
    if (parameters.sendInitialEvents !== undefined) {
      throw invalidObject({ group: 'meta.k8s.io', kind: 'ListOptions' }, '', [
        forbidden('sendInitialEvents', 'sendInitialEvents is forbidden for list'),
      ]);
    }
    const listing = await this.#api.list(target, parameters, exchange.context);
    await sendList(exchange, representation, target.kind, listing, this.#api.clock.now());
  }

  async #create(exchange: Exchange, target: Target<ApiObject>): Promise<void> {
    const { kind } = target;
    const isStored = (kind.verbs ?? allVerbs).includes('get');
    const representation = negotiateObject(exchange, kind, { tables: isStored });
    const parameters = writeParameters(exchange, 'CreateOptions');
    const created = await this.#api.create(target, () => readBodyAs(exchange, kind), parameters, exchange.context);
    await sendObject(exchange, 201, representation, kind, created, this.#api.clock.now());
  }

  async #createBelow(exchange: Exchange, target: Named & { readonly subresource: string }): Promise<void> {
    const representation = negotiateObject(exchange, target.kind, { tables: false });
    let bodyKind = target.kind;
    const answer = await this.#api.createSubresource(
      target,
      (kind) => {
        bodyKind = kind;
        return readBodyAs(exchange, kind);
      },
      writeParameters(exchange, 'CreateOptions'),
      exchange.context,
    );
    if (answer.kind === 'Status') await sendStatus(exchange, 201, representation, answer as Status);
    else await sendObject(exchange, 201, representation, bodyKind, answer, this.#api.clock.now());
  }

  async #write(verb: 'update' | 'patch', exchange: Exchange, target: Named): Promise<void> {
    const { kind } = target;
    const representation = negotiateObject(exchange, kind);
    const config = verb === 'patch' ? configIn(exchange) : undefined;
    if (config !== undefined) {
      const parameters = writeParameters(exchange, 'PatchOptions');
      const { object, created } = await this.#api.apply(target, config, parameters, exchange.context);
      return sendObject(exchange, created ? 201 : 200, representation, kind, object, this.#api.clock.now());
    }
    if (verb === 'update' && target.subresource === undefined) {
      const parameters = writeParameters(exchange, 'UpdateOptions');
      const put = await this.#api.put(target, () => readBodyAs(exchange, kind), parameters, exchange.context);
      return sendObject(exchange, put.created ? 201 : 200, representation, kind, put.object, this.#api.clock.now());
    }
    const wanted = async () => {
      if (verb === 'patch') return patchedBy(kind, await readPatch(exchange, kind), this.#reading(exchange));
      const body = await readBodyAs(exchange, kind);
      return async () => body;
    };
    const parameters = writeParameters(exchange, verb === 'patch' ? 'PatchOptions' : 'UpdateOptions');
    const written = await this.#api.update(verb, target, wanted, parameters, exchange.context);
    await sendObject(exchange, 200, representation, kind, written, this.#api.clock.now());
  }

  async #scale(verb: string, exchange: Exchange, target: Named): Promise<void> {
    const representation = negotiateObject(exchange, Scale, { tables: false });
    const now = this.#api.clock.now();
    if (verb === 'get') {
      return sendObject(exchange, 200, representation, Scale, await this.#api.getScale(target, exchange.context), now);
    }
    if (verb !== 'update' && verb !== 'patch') throw wrongMethod();
    const config = verb === 'patch' ? configIn(exchange) : undefined;
    if (config !== undefined) {
      const parameters = writeParameters(exchange, 'PatchOptions');
      const applied = await this.#api.applyScale(target, config, parameters, exchange.context);
      return sendObject(exchange, 200, representation, Scale, applied, now);
    }
    const wanted = async () => {
      if (verb === 'patch') return patchedBy(Scale, await readPatch(exchange), this.#reading(exchange));
      const body = await readBodyAs(exchange, Scale);
      return async () => body;
    };
    const parameters = writeParameters(exchange, verb === 'patch' ? 'PatchOptions' : 'UpdateOptions');
    const written = await this.#api.updateScale(verb, target, wanted, parameters, exchange.context);
    return sendObject(exchange, 200, representation, Scale, written, now);
  }

  async #delete(exchange: Exchange, target: Named): Promise<void> {
    const { kind } = target;
    const representation = negotiateObject(exchange, kind);
    const wish = await this.#deletion(exchange);
    const answer = await this.#api.delete(target, wish.read, wish, exchange.context);
    if (answer.kind === 'Status') return sendStatus(exchange, 200, representation, answer as Status);
    return sendObject(exchange, 200, representation, kind, answer, this.#api.clock.now());
  }

  async #deleteCollection(exchange: Exchange, target: Target<ApiObject>): Promise<void> {
    const representation = negotiateList(exchange, target.kind);
    const wish = await this.#deletion(exchange);
    const parameters = listParameters(exchange.query);
    const deleted = await this.#api.deleteCollection(target, parameters, wish.read, wish, exchange.context);
    await sendList(exchange, representation, target.kind, deleted, this.#api.clock.now());
  }

  /** A deletion's own options also say whether it is a dry run, so they are read first; they are small. */
  async #deletion(exchange: Exchange) {
    const options = await readDeletion(exchange);
    const dryRun = isDryRun([...exchange.query.getAll('dryRun'), ...options.dryRun]);
    return { dryRun, read: async () => options };
  }

  #reading(exchange: Exchange) {
    return {
      validation: fieldValidationOf(exchange.query),
      warn: (text: string) => exchange.context.warn(text),
    };
  }
}

/** How to read the configuration that a PATCH applies; undefined for a patch of another kind. Throws Invalid. */
function configIn(exchange: Exchange): (() => Promise<ApplyBody>) | undefined {
  const applies = isApply(exchange);
  const { force } = applyOptions(exchange.query, applies);
  return applies ? async () => ({ ...(await readConfig(exchange)), force }) : undefined;
}

function writeParameters(
  { query }: Exchange,
  options: 'CreateOptions' | 'UpdateOptions' | 'PatchOptions',
): WriteParameters {
  return { dryRun: isDryRun(query.getAll('dryRun')), fieldManager: fieldManagerOf(query, options) };
}

/** The API's verb for a method on one object. Throws MethodNotAllowed. */
function verbOf({ method, query }: Exchange): string {
  switch (method) {
    case 'GET':
    case 'HEAD':
      return flagOf(query, 'watch') === true ? 'watch' : 'get';
    case 'POST':
      return 'create';
    case 'PUT':
      return 'update';
    case 'PATCH':
      return 'patch';
    case 'DELETE':
      return 'delete';
    default:
      throw wrongMethod();
  }
}
