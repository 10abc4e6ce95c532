import type { Api } from '../api.ts';
import { metricsGroup } from '../metrics-api/kinds.ts';
import type { RequestInfo } from '../rest/request-info.ts';

/** Source: k8s.io/apiserver/pkg/util/flowcontrol/request (config.go, list_work_estimator.go). */
const objectsPerSeat = 100;
const seatsMax = 10;
const levelPartMax = 0.15;
const watchersPerSeat = 10;
const extraMsPerSeat = 5;
const extraMsMax = 50;

/** What a request is likely to cost: how many seats it takes, and for how long after its end. */
export interface Work {
  /** Seats, given what its level nominally has. */
  readonly width: (nominal: number) => number;
  readonly extraMs: number;
}

const one: Work = { width: () => 1, extraMs: 0 };
const lasting = new Set(['exec', 'attach', 'portforward', 'proxy', 'log']);

/** True for requests that last as long as their client likes: they take no seat, watches only one to begin with. */
export function isLasting({ verb, resource }: RequestInfo, query: URLSearchParams): boolean {
  const subresource = resource?.subresource;
  if (subresource === undefined || !lasting.has(subresource)) return false;
  return subresource !== 'log' || verb !== 'get' || query.get('follow') === 'true';
}

export function workOf(api: Api, { verb, resource }: RequestInfo, query: URLSearchParams): Work {
  if (resource === undefined) return one;
  const groupVersion = resource.group === '' ? resource.version : `${resource.group}/${resource.version}`;
  const found = api.catalog.byPlural(groupVersion, resource.plural);
  const kind = found?.view?.of ?? found;
  if (kind === undefined || !api.catalog.kinds.includes(kind) || kind.group === metricsGroup) return one;
  const { cache } = api.registry.of(kind);
  switch (verb) {
    case 'list':
    case 'deletecollection':
      return listing(cache.count(resource.namespace), query);
    case 'watch': {
      const fromNow = (query.get('resourceVersion') ?? '') === '' || query.get('sendInitialEvents') === 'true';
      return fromNow ? listing(cache.count(resource.namespace), query) : one;
    }
    case 'create':
    case 'update':
    case 'patch':
    case 'delete':
      // Who writes also pays for those who are told of it.
      return {
        width: () => 1,
        extraMs: Math.min(extraMsMax, extraMsPerSeat * Math.floor(cache.watchers / watchersPerSeat)),
      };
    default:
      return one;
  }
}

function listing(count: number, query: URLSearchParams): Work {
  const limit = Number(query.get('limit') ?? 0);
  const hasSelector = query.has('labelSelector') || query.has('fieldSelector');
  const looked = limit > 0 && !hasSelector ? Math.min(limit, count) : count;
  const seats = Math.min(seatsMax, Math.max(1, Math.ceil(looked / objectsPerSeat)));
  return { width: (nominal) => Math.min(seats, Math.max(1, Math.ceil(nominal * levelPartMax))), extraMs: 0 };
}
