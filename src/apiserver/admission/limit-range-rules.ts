/** What a LimitRange says of one pod or claim. Source of rules and words: kubernetes plugin/pkg/admission/limitranger. */
import type { LimitRange } from '#api/core/limit-range.ts';
import type { PersistentVolumeClaim } from '#api/core/persistent-volume-claim.ts';
import type { Pod } from '#api/core/pod.ts';
import { podLimits, podRequests } from '#api/core/pod-resources.ts';
import { compareQuantities, toNumber } from '#machinery/quantity.ts';
import type { ResourceList } from '#machinery/resource-list.ts';

const annotation = 'kubernetes.io/limit-ranger';

type Container = Pod['spec']['containers'][number];
type Items = NonNullable<LimitRange['spec']>['limits'];

const itemsOf = ({ spec }: LimitRange, type: string): Items =>
  (spec?.limits ?? []).filter((item) => item.type === type);

/** The pod with the range's defaults in all its containers, and an annotation that tells which. */
export function withLimitDefaults(pod: Pod, range: LimitRange): Pod {
  let limits: ResourceList = {};
  let requests: ResourceList = {};
  for (const item of itemsOf(range, 'Container')) {
    limits = { ...limits, ...item.default };
    requests = { ...requests, ...item.defaultRequest };
  }
  const told: string[] = [];
  const complete = (what: string) => (container: Container) =>
    completed(container, { limits, requests }, (text) => void told.push(`${text} for ${what} ${container.name}`));
  const containers = pod.spec.containers.map(complete('container'));
  const initContainers = pod.spec.initContainers?.map(complete('init container'));
  if (told.length === 0) return pod;
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      annotations: { ...pod.metadata?.annotations, [annotation]: `LimitRanger plugin set: ${told.join('; ')}` },
    },
    spec: { ...pod.spec, containers, ...(initContainers === undefined ? {} : { initContainers }) },
  };
}

function completed(
  container: Container,
  defaults: { readonly limits: ResourceList; readonly requests: ResourceList },
  tell: (text: string) => void,
): Container {
  let { resources } = container;
  for (const [field, noun] of [
    ['requests', 'request'],
    ['limits', 'limit'],
  ] as const) {
    const present = resources?.[field] ?? {};
    const missing = Object.keys(defaults[field]).filter((name) => present[name] === undefined);
    if (missing.length === 0) continue;
    const added = Object.fromEntries(missing.map((name) => [name, defaults[field][name]!]));
    resources = { ...resources, [field]: { ...present, ...added } };
    tell(`${missing.toSorted().join(', ')} ${noun}`);
  }
  return resources === undefined || resources === container.resources ? container : { ...container, resources };
}

/** What is wrong with a pod. */
export function podComplaints(pod: Pod, range: LimitRange): readonly string[] {
  const { containers, initContainers = [] } = pod.spec;
  return [
    ...itemsOf(range, 'Container').flatMap((item) =>
      [...containers, ...initContainers].flatMap(({ resources }) =>
        itemComplaints(item, resources?.requests ?? {}, resources?.limits ?? {}),
      ),
    ),
    ...itemsOf(range, 'Pod').flatMap((item) =>
      itemComplaints(item, podRequests(pod, { overhead: false }), podLimits(pod, { overhead: false })),
    ),
  ];
}

/** What is wrong with a claim: only what it requests counts. */
export function claimComplaints({ spec }: PersistentVolumeClaim, range: LimitRange): readonly string[] {
  const requests = spec.resources?.requests ?? {};
  return itemsOf(range, 'PersistentVolumeClaim').flatMap((item) => [
    ...minComplaints(item, requests, {}),
    ...Object.entries(item.max ?? {}).flatMap(([name, max]) => {
      const request = requests[name];
      if (request === undefined) return [`maximum ${name} usage per ${item.type} is ${max}.  No request is specified`];
      return compareQuantities(request, max) > 0
        ? [`maximum ${name} usage per ${item.type} is ${max}, but request is ${request}`]
        : [];
    }),
  ]);
}

type Item = Items[number];

const itemComplaints = (item: Item, requests: ResourceList, limits: ResourceList): readonly string[] => [
  ...minComplaints(item, requests, limits),
  ...maxComplaints(item, requests, limits),
  ...ratioComplaints(item, requests, limits),
];

function minComplaints({ type, min = {} }: Item, requests: ResourceList, limits: ResourceList): string[] {
  return Object.entries(min).flatMap(([name, least]) => {
    const [request, limit] = [requests[name], limits[name]];
    const rule = `minimum ${name} usage per ${type} is ${least}`;
    if (request === undefined) return [`${rule}.  No request is specified`];
    if (compareQuantities(request, least) < 0) return [`${rule}, but request is ${request}`];
    return limit !== undefined && compareQuantities(limit, least) < 0 ? [`${rule}, but limit is ${limit}`] : [];
  });
}

function maxComplaints({ type, max = {} }: Item, requests: ResourceList, limits: ResourceList): string[] {
  return Object.entries(max).flatMap(([name, most]) => {
    const [request, limit] = [requests[name], limits[name]];
    const rule = `maximum ${name} usage per ${type} is ${most}`;
    if (limit === undefined) return [`${rule}.  No limit is specified`];
    if (compareQuantities(limit, most) > 0) return [`${rule}, but limit is ${limit}`];
    return request !== undefined && compareQuantities(request, most) > 0 ? [`${rule}, but request is ${request}`] : [];
  });
}

/** Go's `%f` has six digits behind the point. */
const ratioDigits = 6;

function ratioComplaints(item: Item, requests: ResourceList, limits: ResourceList): string[] {
  return Object.entries(item.maxLimitRequestRatio ?? {}).flatMap(([name, most]) => {
    const rule = `${name} max limit to request ratio per ${item.type} is ${most}`;
    const request = toNumber(requests[name] ?? '0');
    const limit = toNumber(limits[name] ?? '0');
    if (request === 0) return [`${rule}, but no request is specified or request is 0`];
    if (limit === 0) return [`${rule}, but no limit is specified or limit is 0`];
    const ratio = limit / request;
    return ratio > toNumber(most) ? [`${rule}, but provided ratio is ${ratio.toFixed(ratioDigits)}`] : [];
  });
}
