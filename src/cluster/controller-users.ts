import type { UserInfo } from '#client/client.ts';

/**
 * The service accounts that controllers act as, where they are not called like the controller itself. Several share
 * one, as upstream's do: what concerns nodes is one controller there.
 */
const accounts: Readonly<Record<string, string>> = {
  'csr-approver': 'certificate-controller',
  'csr-cleaner': 'certificate-controller',
  'csr-signer': 'certificate-controller',
  'endpoint-slice-controller': 'endpointslice-controller',
  'garbage-collector': 'generic-garbage-collector',
  'node-ipam-controller': 'node-controller',
  'node-lifecycle-controller': 'node-controller',
  'node-taint-controller': 'node-controller',
  'serviceaccount-controller': 'service-account-controller',
  'taint-eviction-controller': 'node-controller',
};

/** As whom a dialect's requests come: whoever may open its socket may do what it does, and nothing else. */
export const dialectUser = (dialect: string): UserInfo => controllerUser(`${dialect}-dialect`);

/** Each controller's own identity, with the rights of its role and no others (`authorization/policy/`). */
export function controllerUser(controller: string): UserInfo {
  const account = accounts[controller] ?? controller;
  return {
    username: `system:serviceaccount:kube-system:${account}`,
    groups: ['system:serviceaccounts', 'system:serviceaccounts:kube-system', 'system:authenticated'],
  };
}
