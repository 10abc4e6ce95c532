/** What the names of resources mean. Source: kubernetes pkg/apis/core/helper (helpers.go). */
import { qualifiedNameComplaints } from '#machinery/names.ts';

const countable: ReadonlySet<string> = new Set([
  'pods',
  'resourcequotas',
  'services',
  'replicationcontrollers',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'services.nodeports',
  'services.loadbalancers',
]);
const containerResources = ['cpu', 'memory', 'ephemeral-storage'];
const standard: ReadonlySet<string> = new Set([
  ...countable,
  ...containerResources.flatMap((name) => [name, `requests.${name}`, `limits.${name}`]),
  'storage',
  'requests.storage',
]);

export const isHugePages = (name: string) => name.startsWith('hugepages-');

/** Kubernetes' own: without a domain, or within kubernetes.io. */
const isNative = (name: string) => !name.includes('/') || name.includes('kubernetes.io/');

/** A device or the like that somebody else counts: whole, and never overcommitted. */
export const isExtended = (name: string) =>
  !isNative(name) && !name.startsWith('requests.') && qualifiedNameComplaints(`requests.${name}`).length === 0;

export const isOvercommitAllowed = (name: string) => isNative(name) && !isHugePages(name);

export const isInteger = (name: string) => countable.has(name) || isExtended(name);

export const isStandard = (name: string) =>
  standard.has(name) || isHugePages(name) || name.startsWith('requests.hugepages-');

export const isStandardForContainers = (name: string) => containerResources.includes(name) || isHugePages(name);

/** What is wrong with the name of any resource. */
export function resourceNameComplaints(name: string): readonly string[] {
  const complaints = qualifiedNameComplaints(name);
  if (complaints.length > 0) return complaints;
  return name.includes('/') || isStandard(name) ? [] : ['must be a standard resource type or fully qualified'];
}

/** What is wrong with the name of a resource that a container asks for. */
export function containerResourceNameComplaints(name: string): readonly string[] {
  const complaints = resourceNameComplaints(name);
  if (!name.includes('/')) {
    return isStandardForContainers(name) ? complaints : [...complaints, 'must be a standard resource for containers'];
  }
  return isNative(name) || isExtended(name)
    ? complaints
    : [...complaints, "doesn't follow extended resource name standard"];
}
