import type { Kind } from '#machinery/kind.ts';
import { formatSelector } from '#machinery/labels.ts';
import { definition } from '../definitions.ts';
import { ageColumn, column, nameColumn } from '../rules/columns.ts';
import { mapField, mapItems, withDefaults } from '../rules/defaulting.ts';
import { policySpecErrors } from './network-policy-rules.ts';
import type * as types from './types.generated.ts';

export type NetworkPolicy = types.NetworkPolicy;
export const NetworkPolicy: Kind<NetworkPolicy> = {
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'NetworkPolicy',
  plural: 'networkpolicies',
  singular: 'networkpolicy',
  shortNames: ['netpol'],
  namespaced: true,
  get schema() {
    return definition('io.k8s.api.networking.v1.NetworkPolicy');
  },
  hasGeneration: true,
  /** Source: kubernetes pkg/apis/networking/v1 (defaults.go). */
  defaults: (policy) =>
    mapField(policy, 'spec', (given) => {
      const spec = withDefaults<types.NetworkPolicySpec>(given, { podSelector: {} });
      const ports = <R extends { readonly ports?: readonly types.NetworkPolicyPort[] }>(rule: R): R =>
        mapField(rule, 'ports', (list) => mapItems(list, (port) => withDefaults(port, { protocol: 'TCP' })));
      const withPorts = mapField(
        mapField(spec, 'ingress', (rules) => mapItems(rules, ports)),
        'egress',
        (rules) => mapItems(rules, ports),
      );
      if ((spec.policyTypes ?? []).length > 0) return withPorts;
      return { ...withPorts, policyTypes: (spec.egress ?? []).length > 0 ? ['Ingress', 'Egress'] : ['Ingress'] };
    }),
  validate: ({ spec }) => policySpecErrors('spec', spec ?? {}),
  warn: (_, stored) =>
    stored === undefined
      ? [
          'this cluster does not enforce network policies yet: this one is stored and restricts no traffic unless a network plugin does so',
        ]
      : [],
  columns: [
    nameColumn,
    column('Pod-Selector', 'Pods whose traffic it restricts.', ({ spec }) => formatSelector(spec.podSelector)),
    ageColumn,
  ],
};
