import { Pod } from '#api/core/pod.ts';
import type { Kind } from '#machinery/kind.ts';
import { methodNotAllowed, unavailable } from '#machinery/status-error.ts';
import { attributesOf, type Api } from '../api.ts';
import type { ConnectHandler, ConnectRequest } from '../streaming/connect.ts';
import { connectOptions } from '../streaming/stream-query.ts';
import type { Exchange } from './exchange.ts';
import { unknownPath, type ResourcePath } from './request-path.ts';

const streamed = new Set(['log', 'exec', 'attach', 'portforward']);

/** True for the subresources of pods that open a stream. */
export function isConnect(kind: Kind, { name, subresource }: ResourcePath): boolean {
  return kind.group === '' && kind.plural === 'pods' && name !== undefined && streamed.has(subresource ?? '');
}

/** Checks a streaming request and finds its pod; who may read may not thereby execute, so all but `log` need `create`. */
export async function connectRequest(
  api: Api,
  { context, query, method }: Pick<Exchange, 'context' | 'query' | 'method'>,
  { namespace, name, subresource }: ResourcePath,
): Promise<ConnectRequest> {
  if (namespace === undefined || name === undefined || subresource === undefined) throw unknownPath();
  if (method !== 'GET' && (method !== 'POST' || subresource === 'log')) {
    throw methodNotAllowed('the server does not allow this method on the requested resource');
  }
  const target = { kind: Pod, namespace, name, subresource };
  const verb = subresource === 'log' ? 'get' : 'create';
  const pod = await api.connect(verb, target, context, connectOptions(subresource, query));
  return { attributes: attributesOf(verb, target, context.user), context, pod, query };
}

/** The handler, where this server has a way to the agents. Throws ServiceUnavailable. */
export function handlerOf(handler: ConnectHandler | undefined): ConnectHandler {
  if (handler === undefined) throw unavailable('this server has no way to the agents of its nodes');
  return handler;
}
