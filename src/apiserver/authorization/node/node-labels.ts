/** Source: kubernetes plugin/pkg/admission/noderestriction and staging/src/k8s.io/kubelet/pkg/apis (well_known_labels.go). */

/** Of Kubernetes' own labels, those that a node may set on itself. */
const ownLabels = new Set([
  'kubernetes.io/hostname',
  'kubernetes.io/arch',
  'kubernetes.io/os',
  'beta.kubernetes.io/arch',
  'beta.kubernetes.io/os',
  'beta.kubernetes.io/instance-type',
  'node.kubernetes.io/instance-type',
  'node.kubernetes.io/windows-build',
  'failure-domain.beta.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'failure-domain.kubernetes.io/region',
  'failure-domain.kubernetes.io/zone',
  'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone',
]);
const ownNamespaces = ['kubelet.kubernetes.io', 'node.kubernetes.io'];
const restricted = 'node-restriction.kubernetes.io';

const isWithin = (namespace: string, domain: string) => namespace === domain || namespace.endsWith(`.${domain}`);

/** The labels a node may not have changed from `before` to `now`, sorted. */
export function forbiddenLabels(
  now: Readonly<Record<string, string>>,
  before: Readonly<Record<string, string>>,
): readonly string[] {
  const changed = [...new Set([...Object.keys(now), ...Object.keys(before)])].filter((key) => now[key] !== before[key]);
  return changed.filter((key) => !mayChange(key)).toSorted();
}

function mayChange(label: string): boolean {
  const slash = label.indexOf('/');
  const namespace = slash < 0 ? '' : label.slice(0, slash);
  if (isWithin(namespace, restricted)) return false;
  if (!isWithin(namespace, 'kubernetes.io') && !isWithin(namespace, 'k8s.io')) return true;
  return ownLabels.has(label) || ownNamespaces.some((domain) => isWithin(namespace, domain));
}
