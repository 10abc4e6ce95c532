/** `kubectl get services`. Source: kubernetes pkg/printers/internalversion (printService). */
import type { Column } from '#machinery/kind.ts';
import { formatLabels } from '#machinery/labels.ts';
import { ageColumn, column, nameColumn, wide } from '../rules/columns.ts';
import type * as types from './types.generated.ts';

function externalAddress({ spec, status }: types.Service): string {
  if (spec.type === 'ExternalName') return spec.externalName ?? '';
  const balancers = (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip ?? hostname ?? '');
  const addresses = [...new Set(balancers.filter((address) => address !== ''))].toSorted();
  const all = spec.type === 'LoadBalancer' ? [...addresses, ...(spec.externalIPs ?? [])] : (spec.externalIPs ?? []);
  if (all.length > 0) return all.join(',');
  return spec.type === 'LoadBalancer' ? '<pending>' : '<none>';
}

function ports({ spec }: types.Service): string {
  const texts = (spec.ports ?? []).map(({ port, nodePort = 0, protocol = 'TCP' }) =>
    nodePort === 0 ? `${port}/${protocol}` : `${port}:${nodePort}/${protocol}`,
  );
  return texts.length === 0 ? '<none>' : texts.join(',');
}

export const serviceColumns: readonly Column<types.Service>[] = [
  nameColumn,
  column('Type', 'How the service is exposed.', ({ spec }) => spec.type ?? ''),
  column(
    'Cluster-IP',
    'Address of the service inside the cluster.',
    ({ spec }) => spec.clusterIPs?.[0] ?? spec.clusterIP ?? '<none>',
  ),
  column('External-IP', 'Addresses of the service outside the cluster.', externalAddress),
  column('Port(s)', 'Ports of the service, with their node ports.', ports),
  ageColumn,
  wide('Selector', 'Labels of the pods that answer for the service.', ({ spec }) => formatLabels(spec.selector)),
];
