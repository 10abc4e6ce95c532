import type { PolicyRule } from '#api/rbac/types.generated.ts';
import { keyOf } from '#machinery/object.ts';
import type { Attributes } from '../../request.ts';
import type { Authorizer, Decision } from '../authorizer.ts';
import { ruleAllows, type RuleSource } from '../rules.ts';
import type { NodeGraph, Related } from './node-graph.ts';
import { nodeNameOf } from './node-identity.ts';

export interface NodeAuthorizerOptions {
  readonly graph: NodeGraph;
  /** What all nodes may do alike. */
  readonly rules: readonly PolicyRule[];
  /** Resolves once the watch cache may know everything that was acknowledged before the call; may fail. */
  readonly fresh: () => Promise<void>;
  readonly signal: AbortSignal;
}

const allowed: Decision = { allowed: true, reason: '' };
const refused = (reason = ''): Decision => ({ allowed: false, reason });

/** `related`: allowed if a pod on the node leads to the object. */
type Verdict = Decision | { readonly related: Related };

const leaseNamespace = 'kube-node-lease';
const readVerbs = new Set(['get', 'list', 'watch']);
const leaseVerbs = new Set(['get', 'create', 'update', 'patch', 'delete']);

/**
 * Lets each node do what it needs for itself and for the pods bound to it, and nothing else; the rest of the fence is
 * the NodeRestriction admission plugin, which sees the objects. Reasons in upstream's words.
 * Source: kubernetes v1.35 plugin/pkg/auth/authorizer/node (node_authorizer.go).
 */
export function nodeAuthorizer({ graph, rules, fresh, signal }: NodeAuthorizerOptions): Authorizer & RuleSource {
  return {
    async authorize(attributes) {
      const node = nodeNameOf(attributes.user);
      if (node === undefined) return refused();
      if (node === '') return refused(`unknown node for user ${JSON.stringify(attributes.user.username)}`);
      const verdict = judge(node, attributes, rules);
      if ('allowed' in verdict) return verdict;
      const { name, namespace } = attributes;
      if (name === undefined) return refused('No Object name found');
      const key = keyOf(namespace === undefined ? { name } : { name, namespace });
      await graph.refresh(signal);
      if (graph.isRelated(node, verdict.related, key)) return allowed;
      await fresh().catch(() => undefined); // an unreachable store is for the request itself to report
      await graph.refresh(signal);
      if (graph.isRelated(node, verdict.related, key)) return allowed;
      return refused(`no relationship found between node '${node}' and this object`);
    },
    async rulesFor(user) {
      if (nodeNameOf(user) === undefined) return { rules: [], problems: [] };
      return {
        rules: [],
        problems: ['node authorizer does not support user rule resolution'],
        incomplete: true,
      };
    },
  };
}

function judge(node: string, attributes: Attributes, rules: readonly PolicyRule[]): Verdict {
  const { kind } = attributes;
  switch (kind === undefined ? undefined : `${kind.group}/${kind.plural}`) {
    case '/secrets':
      return judgeRead(attributes, 'secrets');
    case '/configmaps':
      return judgeRead(attributes, 'configmaps');
    case '/persistentvolumeclaims':
      return attributes.subresource === 'status'
        ? judgeStatus(attributes)
        : judgeGet(attributes, 'persistentvolumeclaims');
    case '/persistentvolumes':
      return judgeGet(attributes, 'persistentvolumes');
    case 'resource.k8s.io/resourceclaims':
      return judgeGet(attributes, 'resourceclaims');
    case '/serviceaccounts':
      return judgeToken(attributes);
    case 'coordination.k8s.io/leases':
      return judgeLease(node, attributes);
    case 'storage.k8s.io/csinodes':
      return judgeCsiNode(node, attributes);
    case 'storage.k8s.io/volumeattachments':
      return judgeGet(attributes, 'volumeattachments');
    case 'resource.k8s.io/resourceslices':
      return judgeSlice(node, attributes);
    case '/nodes':
      return judgeNode(node, attributes);
    case '/pods':
      return judgePod(node, attributes);
    default:
      return rules.some((rule) => ruleAllows(rule, attributes)) ? allowed : refused();
  }
}

function judgeRead({ verb, subresource, namespace }: Attributes, related: Related): Verdict {
  if (!readVerbs.has(verb)) return refused('can only read resources of this type');
  if (subresource !== undefined) return refused('cannot read subresource');
  return namespace === undefined ? refused('can only read namespaced object of this type') : { related };
}

function judgeGet({ verb, subresource }: Attributes, related: Related): Verdict {
  if (verb !== 'get') return refused('can only get individual resources of this type');
  return subresource === undefined ? { related } : refused('cannot get subresource');
}

function judgeStatus({ verb }: Attributes): Verdict {
  if (verb !== 'update' && verb !== 'patch') return refused('can only get/update/patch this type');
  return { related: 'persistentvolumeclaims' };
}

function judgeToken({ verb, name, subresource }: Attributes): Verdict {
  if (verb !== 'create' || name === undefined) {
    return refused('can only create tokens for individual service accounts');
  }
  if (subresource !== 'token') return refused('can only create token subresource of serviceaccount');
  return { related: 'serviceaccounts' };
}

function judgeLease(node: string, { verb, namespace, name, subresource }: Attributes): Verdict {
  if (!leaseVerbs.has(verb) || subresource !== undefined) {
    return refused('can only get, create, update, patch, or delete a node lease');
  }
  if (namespace !== leaseNamespace) {
    return refused(`can only access leases in the "${leaseNamespace}" system namespace`);
  }
  // The name of a new object stands in its body: NodeRestriction looks there.
  if (verb !== 'create' && name !== node) {
    return refused('can only access node lease with the same name as the requesting node');
  }
  return allowed;
}

function judgeCsiNode(node: string, { verb, name, subresource }: Attributes): Verdict {
  if (!leaseVerbs.has(verb)) return refused('can only get, create, update, patch, or delete a CSINode');
  if (subresource !== undefined) return refused('cannot authorize CSINode subresources');
  if (verb !== 'create' && name !== node) {
    return refused('can only access CSINode with the same name as the requesting node');
  }
  return allowed;
}

function judgeSlice(node: string, { verb, subresource, fields }: Attributes): Verdict {
  if (subresource !== undefined) return refused('cannot authorize ResourceSlice subresources');
  switch (verb) {
    case 'create':
      return allowed;
    case 'watch':
    case 'list':
    case 'deletecollection':
      return fields?.requires('spec.nodeName') === node
        ? allowed
        : refused('can only list/watch/deletecollection resourceslices with nodeName field selector');
    default:
      return refused(`no relationship found between node '${node}' and this object`);
  }
}

function judgeNode(node: string, { verb, subresource, name }: Attributes): Verdict {
  if (subresource === 'status') return verb === 'update' || verb === 'patch' ? allowed : refused();
  if (subresource !== undefined) return refused();
  if (verb === 'create' || verb === 'update' || verb === 'patch') return allowed;
  if (!readVerbs.has(verb)) return refused();
  if (name === node) return allowed;
  return refused(
    name === undefined
      ? `node '${node}' cannot read all nodes, only its own Node object`
      : `node '${node}' cannot read '${name}', only its own Node object`,
  );
}

function judgePod(node: string, attributes: Attributes): Verdict {
  const { verb, subresource, name, fields } = attributes;
  switch (subresource) {
    case undefined:
      if (verb === 'get') return judgeGet(attributes, 'pods');
      if (verb === 'create' || verb === 'delete') return allowed;
      if (verb !== 'list' && verb !== 'watch') return refused();
      if (fields?.requires('spec.nodeName') === node) return allowed;
      return name === undefined
        ? refused('can only list/watch pods with spec.nodeName field selector')
        : { related: 'pods' };
    case 'status':
      return verb === 'update' || verb === 'patch' ? allowed : refused();
    case 'eviction':
      return verb === 'create' ? allowed : refused();
    default:
      return refused();
  }
}
