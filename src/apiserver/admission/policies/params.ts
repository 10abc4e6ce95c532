import type { ParamKind, ParamRef } from '#api/admissionregistration/types.generated.ts';
import type { Kind } from '#machinery/kind.ts';
import { everything, selectorOf } from '#machinery/labels.ts';
import type { ApiObject } from '#machinery/object.ts';
import type { Catalog } from '../../catalog.ts';
import type { Registry } from '../../registry/registry.ts';

/** Wrong with how a policy or a binding is set up, and not with what was sent: failurePolicy decides. */
export class ConfigurationError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ConfigurationError';
  }
}

/** `group/version, Kind=X`. */
function kindText({ apiVersion = '', kind = '' }: ParamKind): string {
  return `${apiVersion.includes('/') ? apiVersion : `/${apiVersion}`}, Kind=${kind}`;
}

/** The kind of a policy's params; undefined if it has none. Throws ConfigurationError if nobody serves it. */
export function paramKindOf(catalog: Catalog, paramKind: ParamKind | undefined): Kind | undefined {
  if (paramKind === undefined) return undefined;
  const { apiVersion = '', kind = '' } = paramKind;
  const found = catalog.byKind(apiVersion, kind);
  if (found === undefined) {
    throw new ConfigurationError(`failed to find resource referenced by paramKind: '${kindText(paramKind)}'`);
  }
  return found;
}

/**
 * What a policy is evaluated with, one object after the other; `undefined` where it is evaluated without one. Nothing
 * at all if there are no such objects and the binding lets that pass. Read from the cache of their kind.
 * Throws ConfigurationError. Source: k8s.io/apiserver/pkg/admission/plugin/policy/generic (CollectParams).
 */
export async function collectParams(
  registry: Registry,
  kind: Kind | undefined,
  ref: ParamRef | undefined,
  requestNamespace: string | undefined,
  signal: AbortSignal,
): Promise<readonly (ApiObject | undefined)[]> {
  if (kind === undefined || ref === undefined) return [undefined];
  const { name = '', namespace: asked = '', selector, parameterNotFoundAction } = ref;
  if (!kind.namespaced && asked !== '') {
    throw new ConfigurationError('paramRef.namespace must not be provided for a cluster-scoped `paramKind`');
  }
  const namespace = asked === '' ? (requestNamespace ?? '') : asked;
  if (kind.namespaced && namespace === '') {
    throw new ConfigurationError(
      'cannot use namespaced paramRef in policy binding that matches cluster-scoped resources',
    );
  }
  const found = await find(registry, kind, { name, namespace, selector }, signal);
  if (found.length === 0 && parameterNotFoundAction === 'Deny') {
    throw new ConfigurationError('no params found for policy binding with `Deny` parameterNotFoundAction');
  }
  return found;
}

async function find(
  registry: Registry,
  kind: Kind,
  { name, namespace, selector }: { name: string; namespace: string; selector: ParamRef['selector'] },
  signal: AbortSignal,
): Promise<readonly ApiObject[]> {
  const stored = kind.view?.of ?? kind;
  const resource = registry.of(stored);
  const shown = (object: ApiObject) => kind.view?.fromStored(object) ?? object;
  const within = kind.namespaced ? { namespace } : {};
  if (!resource.cache.isReady) await resource.cache.load(signal);
  if (name !== '') {
    const item = await resource.find({ ...within, name }, { want: 'any' }, signal);
    return item === undefined ? [] : [shown(item.object)];
  }
  const labels = selector === undefined ? everything : selectorOf(selector);
  const { items } = await resource.list({
    namespace: kind.namespaced ? namespace : undefined,
    selection: { all: false, matches: (object) => labels.matches(object.metadata?.labels), exact: undefined },
    freshness: { want: 'any' },
    limit: 0,
    continue: undefined,
    signal,
  });
  return items.map(({ object }) => shown(object));
}
