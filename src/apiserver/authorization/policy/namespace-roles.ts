/**
 * The Roles within the cluster's own namespaces, each with its subjects. Facts: kubernetes v1.35
 * plugin/pkg/auth/authorizer/rbac/bootstrappolicy (namespace_policy.go).
 */
import type { PolicyRule, Subject } from '#api/rbac/types.generated.ts';
import { may, mayRecordEvents, read } from './rule.ts';

export interface NamespaceRole {
  readonly namespace: string;
  readonly name: string;
  readonly rules: readonly PolicyRule[];
  /** The name of its binding, if it is not the role's. */
  readonly binding?: string;
  readonly subjects: readonly Subject[];
}

const account = (name: string): Subject => ({ kind: 'ServiceAccount', name, namespace: 'kube-system' });
const user = (name: string): Subject => ({ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name });

export const namespaceRoles: readonly NamespaceRole[] = [
  {
    namespace: 'kube-system',
    name: 'extension-apiserver-authentication-reader',
    rules: [may(read, '', 'configmaps', 'extension-apiserver-authentication')],
    binding: 'system::extension-apiserver-authentication-reader',
    subjects: [user('system:kube-controller-manager'), user('system:kube-scheduler')],
  },
  {
    namespace: 'kube-system',
    name: 'system:controller:bootstrap-signer',
    rules: [may(read, '', 'secrets')],
    subjects: [account('bootstrap-signer')],
  },
  {
    namespace: 'kube-system',
    name: 'system:controller:cloud-provider',
    rules: [may('create get list watch', '', 'configmaps')],
    subjects: [account('cloud-provider')],
  },
  {
    namespace: 'kube-system',
    name: 'system:controller:token-cleaner',
    rules: [may('get list watch delete', '', 'secrets'), mayRecordEvents],
    subjects: [account('token-cleaner')],
  },
  {
    namespace: 'kube-system',
    name: 'system::leader-locking-kube-controller-manager',
    rules: [may('watch', '', 'configmaps'), may('get update', '', 'configmaps', 'kube-controller-manager')],
    subjects: [user('system:kube-controller-manager'), account('kube-controller-manager')],
  },
  {
    namespace: 'kube-system',
    name: 'system::leader-locking-kube-scheduler',
    rules: [may('watch', '', 'configmaps'), may('get update', '', 'configmaps', 'kube-scheduler')],
    subjects: [user('system:kube-scheduler'), account('kube-scheduler')],
  },
  {
    namespace: 'kube-public',
    name: 'system:controller:bootstrap-signer',
    rules: [may(read, '', 'configmaps'), may('update', '', 'configmaps', 'cluster-info'), mayRecordEvents],
    subjects: [account('bootstrap-signer')],
  },
];
