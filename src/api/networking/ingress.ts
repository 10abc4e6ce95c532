import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import { ageColumn, column, nameColumn } from '../rules/columns.ts';
import { classAnnotationErrors, ingressSpecErrors, ingressStatusErrors } from './ingress-rules.ts';
import { isNew } from '../rules/is-new.ts';
import type * as types from './types.generated.ts';

/** Hosts shown in a list; the rest are counted. */
const hostsShownMax = 3;
/** Characters of the address column. Source: kubernetes pkg/printers/internalversion (loadBalancerWidth). */
const addressWidth = 16;

export type Ingress = types.Ingress;
export const Ingress: Kind<Ingress> = {
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'Ingress',
  plural: 'ingresses',
  singular: 'ingress',
  shortNames: ['ing'],
  namespaced: true,
  get schema() {
    return definition('io.k8s.api.networking.v1.Ingress');
  },
  hasGeneration: true,
  subresources: {
    status: true,
  },
  prepareForCreate: (ingress) => ({ ...ingress, status: { loadBalancer: {} } }),
  validate(ingress) {
    return [
      ...ingressSpecErrors('spec', ingress.spec ?? {}),
      ...ingressStatusErrors('status.loadBalancer', ingress.status?.loadBalancer),
      ...(isNew(ingress) ? classAnnotationErrors(ingress) : []),
    ];
  },
  /** The old annotation; Tutti has no ingress proxy of its own yet, and says so. */
  warn({ metadata }, stored) {
    if (stored !== undefined) return [];
    return [
      ...(metadata?.annotations?.['kubernetes.io/ingress.class'] === undefined
        ? []
        : ['annotation "kubernetes.io/ingress.class" is deprecated, please use \'spec.ingressClassName\' instead']),
      'this cluster has no ingress proxy of its own: an Ingress is stored, and works once an ingress controller runs here',
    ];
  },
  columns: [
    nameColumn,
    column('Class', 'Class of the controller that serves it.', ({ spec }) => spec.ingressClassName ?? '<none>'),
    column('Hosts', 'Hosts that are led to services.', ({ spec }) => hostsOf(spec)),
    column('Address', 'Where it can be reached.', ({ status }) => addressOf(status)),
    column('Ports', 'Ports it listens on.', ({ spec }) => ((spec.tls ?? []).length > 0 ? '80, 443' : '80')),
    ageColumn,
  ],
};

function hostsOf({ rules = [] }: types.IngressSpec): string {
  const hosts = rules.flatMap(({ host = '' }) => (host === '' ? [] : [host]));
  if (hosts.length === 0) return '*';
  const shown = hosts.slice(0, hostsShownMax).join(',');
  return hosts.length > hostsShownMax ? `${shown} + ${hosts.length - hostsShownMax} more...` : shown;
}

function addressOf(status: types.IngressStatus | undefined): string {
  const all = (status?.loadBalancer?.ingress ?? []).map(({ ip = '', hostname = '' }) => (ip === '' ? hostname : ip));
  const list = [...new Set(all.filter((address) => address !== ''))].join(',');
  return list.length > addressWidth ? `${list.slice(0, addressWidth - 3)}...` : list;
}
