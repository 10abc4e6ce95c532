import { Node } from '#api/core/node.ts';
import { isMirror, referencesOf } from '#api/core/pod-references.ts';
import { Pod } from '#api/core/pod.ts';
import type { PersistentVolumeClaim } from '#api/core/persistent-volume-claim.ts';
import type { TokenRequest } from '#api/authentication/token-request.ts';
import { sameValue } from '#api/rules/fields.ts';
import type { ApiObject } from '#machinery/object.ts';
import { forbiddenRequest, notFoundError, type StatusError } from '#machinery/status-error.ts';
import { nodeNameOf } from '../authorization/node/node-identity.ts';
import { forbiddenLabels } from '../authorization/node/node-labels.ts';
import type { Registry } from '../registry/registry.ts';
import type { AdmissionPlugin, AdmissionRequest } from './admission.ts';

const leaseNamespace = 'kube-node-lease';
const mirrorAnnotation = 'kubernetes.io/config.mirror';

/**
 * Keeps a node within its own Node, Lease and pods: what the Node authorizer cannot tell because it sees no objects.
 * Messages are upstream's. Source: kubernetes v1.35 plugin/pkg/admission/noderestriction (admission.go).
 */
export function nodeRestriction(registry: Registry): AdmissionPlugin {
  async function podOf(request: AdmissionRequest, name: string, signal: AbortSignal): Promise<Pod> {
    const { namespace = '' } = request.attributes;
    const found = await registry.of(Pod).find({ namespace, name }, { want: 'newest' }, signal);
    if (found === undefined) throw notFoundError(Pod, name);
    return found.object;
  }

  async function checkMirrorPod(node: string, request: AdmissionRequest, signal: AbortSignal): Promise<void> {
    const refuse = refusing(request);
    const pod = request.object as Pod; // an object of a request is of the request's kind
    if (!isMirror(pod)) {
      throw refuse(`pod does not have "${mirrorAnnotation}" annotation, node "${node}" can only create mirror pods`);
    }
    if (pod.spec.nodeName !== node) {
      throw refuse(`node "${node}" can only create pods with spec.nodeName set to itself`);
    }
    const [owner, ...others] = pod.metadata?.ownerReferences ?? [];
    if (others.length > 0) {
      throw refuse(`node "${node}" can only create pods with a single owner reference set to itself`);
    }
    if (owner === undefined || owner.apiVersion !== 'v1' || owner.kind !== 'Node' || owner.name !== node) {
      throw refuse(`node "${node}" can only create pods with an owner reference set to itself`);
    }
    if (owner.controller !== true) {
      throw refuse(`node "${node}" can only create pods with a controller owner reference set to itself`);
    }
    if (owner.blockOwnerDeletion === true) {
      throw refuse(`node "${node}" must not set blockOwnerDeletion on an owner reference`);
    }
    const found = await registry.of(Node).find({ name: node }, { want: 'newest' }, signal);
    if (found === undefined) throw notFoundError(Node, node);
    const uid = found.object.metadata?.uid ?? '';
    if (owner.uid !== uid) throw refuse(`node ${node} UID mismatch: expected ${owner.uid} got ${uid}`);
    checkReferences(node, request, pod);
  }

  async function checkToken(node: string, request: AdmissionRequest, signal: AbortSignal): Promise<void> {
    const refuse = refusing(request);
    const { boundObjectRef: ref } = (request.object as TokenRequest).spec;
    if (ref?.apiVersion !== 'v1' || ref.kind !== 'Pod' || (ref.name ?? '') === '') {
      throw refuse('node requested token not bound to a pod');
    }
    if ((ref.uid ?? '') === '') throw refuse('node requested token with a pod binding without a uid');
    const pod = await podOf(request, ref.name ?? '', signal);
    if (pod.metadata?.uid !== ref.uid) {
      throw refuse(
        `the UID in the bound object reference (${ref.uid}) does not match the UID in record. The object might have been deleted and then recreated`,
      );
    }
    if (pod.spec.nodeName !== node) throw refuse('node requested token bound to a pod scheduled on a different node');
    await checkAudiences(request, pod);
  }

  /** What a pod does not ask for is nothing that its node needs. */
  async function checkAudiences(request: AdmissionRequest, pod: Pod): Promise<void> {
    const { audiences } = (request.object as TokenRequest).spec as Partial<TokenRequest['spec']>;
    const asked = new Set(
      (pod.spec.volumes ?? []).flatMap(({ projected }) =>
        (projected?.sources ?? []).flatMap(({ serviceAccountToken }) =>
          serviceAccountToken === undefined ? [] : [serviceAccountToken.audience ?? ''],
        ),
      ),
    );
    for (const audience of audiences ?? []) {
      if (audience === '' || asked.has(audience)) continue;
      throw refusing(request)(
        `audience ${JSON.stringify(audience)} not found in pod spec volume, system:node:${pod.spec.nodeName ?? ''} is not authorized to request tokens for this audience`,
      );
    }
  }

  async function checkPods(node: string, request: AdmissionRequest, signal: AbortSignal): Promise<void> {
    const { attributes, operation, object, stored } = request;
    const refuse = refusing(request);
    switch (attributes.subresource) {
      case undefined:
        if (operation === 'CREATE') return checkMirrorPod(node, request, signal);
        if (operation !== 'DELETE') {
          throw refuse(`unexpected operation "${operation}", node "${node}" can only create and delete mirror pods`);
        }
        if ((stored as Pod | undefined)?.spec.nodeName !== node) {
          throw refuse(`node "${node}" can only delete pods with spec.nodeName set to itself`);
        }
        return;
      case 'status':
        if (operation !== 'UPDATE') throw refuse(`unexpected operation "${operation}"`);
        return checkPodStatus(node, request, object as Pod, stored as Pod);
      case 'eviction': {
        if (operation === 'UPDATE') throw refuse(`unexpected operation ${operation}`);
        const pod = await podOf(request, attributes.name ?? '', signal);
        if (pod.spec.nodeName !== node) {
          throw refuse(`node ${node} can only evict pods with spec.nodeName set to itself`);
        }
        return;
      }
      default:
        throw refuse(
          `unexpected pod subresource "${attributes.subresource}", only 'status' and 'eviction' are allowed`,
        );
    }
  }

  return {
    name: 'NodeRestriction',
    async validate(request, { signal }) {
      const { attributes, operation, object } = request;
      const { kind, user } = attributes;
      const node = nodeNameOf(user);
      if (node === undefined || kind === undefined || operation === 'CONNECT') return;
      const refuse = refusing(request);
      if (node === '') throw refuse(`could not determine node from user ${JSON.stringify(user.username)}`);
      // The name of a new object stands in the object.
      const name = operation === 'CREATE' ? (object?.metadata?.name ?? attributes.name) : attributes.name;
      switch (`${kind.group}/${kind.plural}`) {
        case '/pods':
          return checkPods(node, request, signal);
        case '/nodes':
          return checkNode(node, request, name ?? '');
        case '/persistentvolumeclaims':
          return checkClaim(node, request);
        case '/serviceaccounts':
          if (operation === 'CREATE' && attributes.subresource === 'token') return checkToken(node, request, signal);
          return;
        case 'coordination.k8s.io/leases':
          if (attributes.namespace !== leaseNamespace) {
            throw refuse(`can only access leases in the "${leaseNamespace}" system namespace`);
          }
          if (name !== node) throw refuse('can only access node lease with the same name as the requesting node');
          return;
        case 'storage.k8s.io/csinodes':
          if (name !== node) throw refuse('can only access CSINode with the same name as the requesting node');
          return;
        default:
          return;
      }
    },
  };
}

const refusing =
  ({ attributes: { kind, name }, object }: AdmissionRequest) =>
  (detail: string): StatusError =>
    forbiddenRequest(kind!, name ?? object?.metadata?.name ?? '', detail);

/** A mirror pod runs already: whatever it named would only be a way to rights on other objects. */
function checkReferences(node: string, request: AdmissionRequest, pod: Pod): void {
  const refuse = refusing(request);
  const cannot = (what: string) => refuse(`node "${node}" can not create pods that reference ${what}`);
  const { secrets, configMaps, claims } = referencesOf(pod);
  if ((pod.spec.serviceAccountName ?? '') !== '') throw cannot('a service account');
  if (secrets.size > 0) throw cannot('secrets');
  if (configMaps.size > 0) throw cannot('configmaps');
  const sources = (pod.spec.volumes ?? []).flatMap(({ projected }) => projected?.sources ?? []);
  if (sources.some(({ clusterTrustBundle }) => clusterTrustBundle !== undefined)) throw cannot('clustertrustbundles');
  if (sources.some(({ serviceAccountToken }) => serviceAccountToken !== undefined)) throw cannot('a service account');
  if (claims.size > 0) throw cannot('persistentvolumeclaims');
  // CVE-2025-4563: claims of devices are rights, too.
  const { resourceClaims = [] } = pod.spec;
  const statuses = pod.status?.resourceClaimStatuses ?? [];
  if (resourceClaims.length > 0) throw cannot('resourceclaims');
  if (statuses.length > 0) throw refuse(`node "${node}" can not create pods with resource claim statuses`);
}

function checkPodStatus(node: string, request: AdmissionRequest, pod: Pod, stored: Pod): void {
  const refuse = refusing(request);
  if (stored.spec.nodeName !== node) {
    throw refuse(`node "${node}" can only update pod status for pods with spec.nodeName set to itself`);
  }
  if (!sameValue(pod.metadata?.labels ?? {}, stored.metadata?.labels ?? {})) {
    throw refuse(`node "${node}" cannot update labels through pod status`);
  }
  const claims = ({ status }: Pod) => status?.resourceClaimStatuses ?? [];
  if (!sameValue(claims(pod), claims(stored))) throw refuse(`node "${node}" cannot update resource claim statues`);
  if (!sameValue(pod.status?.extendedResourceClaimStatus, stored.status?.extendedResourceClaimStatus)) {
    throw refuse(`node "${node}" cannot update extended resource claim status`);
  }
}

function checkNode(node: string, request: AdmissionRequest, name: string): void {
  const { operation, object, stored } = request;
  const refuse = refusing(request);
  if (name !== node) throw refuse(`node "${node}" is not allowed to modify node "${name}"`);
  if (operation === 'CREATE') {
    const forbidden = forbiddenLabels(object?.metadata?.labels ?? {}, {});
    if (forbidden.length > 0) {
      throw refuse(`node "${node}" is not allowed to set the following labels: ${forbidden.join(', ')}`);
    }
    checkOwners(node, request, undefined, object);
  }
  if (operation !== 'UPDATE') return;
  const [now, before] = [object as Node, stored as Node];
  if (!sameValue(now.spec?.taints ?? [], before.spec?.taints ?? [])) {
    throw refuse(`node "${node}" is not allowed to modify taints`);
  }
  const forbidden = forbiddenLabels(now.metadata?.labels ?? {}, before.metadata?.labels ?? {});
  if (forbidden.length > 0) throw refuse(`is not allowed to modify labels: ${forbidden.join(', ')}`);
  checkOwners(node, request, before, now);
}

/** CVE-2025-5187: a Node that names an owner that is gone is garbage, and who deletes its Node sheds taints and labels. */
function checkOwners(
  node: string,
  request: AdmissionRequest,
  before: ApiObject | undefined,
  now: ApiObject | undefined,
): void {
  const owners = (each: ApiObject | undefined) => each?.metadata?.ownerReferences ?? [];
  if (sameValue(owners(before), owners(now))) return;
  throw refusing(request)(`node "${node}" is not allowed to modify ownerReferences`);
}

function checkClaim(node: string, request: AdmissionRequest): void {
  const { attributes, operation, object, stored } = request;
  const refuse = refusing(request);
  if (attributes.subresource !== 'status') throw refuse('may only update PVC status');
  if (operation !== 'UPDATE') throw refuse(`unexpected operation "${operation}"`);
  const rest = (claim: PersistentVolumeClaim) => {
    const { resourceVersion: _version, managedFields: _fields, ...metadata } = claim.metadata ?? {};
    const {
      capacity: _capacity,
      conditions: _conditions,
      allocatedResources: _resources,
      allocatedResourceStatuses: _statuses,
      ...status
    } = claim.status ?? {};
    return { ...claim, metadata, status };
  };
  if (sameValue(rest(object as PersistentVolumeClaim), rest(stored as PersistentVolumeClaim))) return;
  throw refuse(`node "${node}" is not allowed to update fields other than status.capacity and status.conditions`);
}
