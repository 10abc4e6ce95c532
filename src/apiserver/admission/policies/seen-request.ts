import type { Namespace } from '#api/core/namespace.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import type { Registry } from '../../registry/registry.ts';
import { scaled, scaleOf } from '../../verbs/scale.ts';
import type { Scale } from '#api/autoscaling/scale.ts';
import type { AdmissionRequest } from '../admission.ts';

/** A request as policies see it: its objects in the version that was matched, and what is known of it as data. */
export interface SeenRequest {
  readonly object: ApiObject | undefined;
  readonly oldObject: ApiObject | undefined;
  readonly request: Readonly<Record<string, unknown>>;
}

/** Names of what a kind's objects are turned into and from on their way to policies and back. */
interface Guise {
  show(object: ApiObject): Promise<ApiObject>;
  /** What `show()` made of `from`, changed, as the request has it. */
  takeBack(changed: ApiObject, from: ApiObject): Promise<ApiObject>;
}

/** How the objects of a request appear to who has matched it as `matched`. */
export function guiseOf(request: AdmissionRequest, matched: Kind, registry: Registry, signal: AbortSignal): Guise {
  const { kind, subresource } = request.attributes;
  const paths = subresource === 'scale' ? kind?.subresources?.scale : undefined;
  if (paths !== undefined) {
    return {
      show: async (object) => scaleOf(paths, object),
      takeBack: async (changed, from) => {
        const { resourceVersion = '' } = from.metadata ?? {};
        const scale = changed as Scale; // `show()` made it one
        return scaled(paths, from, { ...scale, metadata: { ...scale.metadata, resourceVersion } });
      },
    };
  }
  const { view } = matched;
  if (view !== undefined) {
    return { show: async (object) => view.fromStored(object), takeBack: async (changed) => view.toStored(changed) };
  }
  const own = kind;
  if (matched.custom !== undefined && own !== undefined && own !== matched) {
    return {
      show: async (object) => registry.converted(object, matched, signal),
      takeBack: async (changed) => registry.converted(changed, own, signal),
    };
  }
  return { show: async (object) => object, takeBack: async (changed) => changed };
}

export async function seenRequest(request: AdmissionRequest, matched: Kind, guise: Guise): Promise<SeenRequest> {
  const { object, stored, operation } = request;
  const old = operation === 'CREATE' || operation === 'CONNECT' ? undefined : stored;
  const shown = object === undefined ? undefined : await guise.show(object);
  const oldShown = old === undefined ? undefined : await guise.show(old);
  return { object: shown, oldObject: oldShown, request: requestValue(request, matched, shown ?? oldShown) };
}

const optionsKinds = { CREATE: 'CreateOptions', UPDATE: 'UpdateOptions', DELETE: 'DeleteOptions' } as const;
const connectKinds: Readonly<Record<string, string>> = {
  exec: 'PodExecOptions',
  attach: 'PodAttachOptions',
  portforward: 'PodPortForwardOptions',
};

/** `group/version` and kind of what is in a body: a subresource has bodies of its own. */
function kindOfBody({ attributes, operation }: AdmissionRequest, kind: Kind, body: ApiObject | undefined) {
  const { subresource } = attributes;
  if (operation === 'CONNECT') {
    const name = connectKinds[subresource ?? ''] ?? `${kind.kind}ProxyOptions`;
    return { group: kind.group, version: kind.version, kind: name };
  }
  if (subresource === undefined || body?.apiVersion === undefined || body.kind === undefined) {
    return { group: kind.group, version: kind.version, kind: kind.kind };
  }
  const slash = body.apiVersion.indexOf('/');
  return {
    group: body.apiVersion.slice(0, Math.max(slash, 0)),
    version: body.apiVersion.slice(slash + 1),
    kind: body.kind,
  };
}

/** Absent where Go leaves out what is empty. Source: k8s.io/apiserver/pkg/admission/plugin/cel (CreateAdmissionRequest). */
function requestValue(request: AdmissionRequest, matched: Kind, body: ApiObject | undefined) {
  const { attributes, operation, dryRun } = request;
  const { kind = matched, user, name = '', subresource = '', verb } = attributes;
  // A namespace that is there is within itself.
  const isNamespace = kind.group === '' && kind.plural === 'namespaces' && operation !== 'CREATE';
  const namespace = isNamespace ? name : (attributes.namespace ?? '');
  const resourceOf = ({ group, version, plural }: Kind) => ({ group, version, resource: plural });
  const { username, uid = '', groups, extra = {} } = user;
  const options = verb === 'patch' ? 'PatchOptions' : operation === 'CONNECT' ? undefined : optionsKinds[operation];
  return {
    kind: kindOfBody(request, matched, body),
    resource: resourceOf(matched),
    ...(subresource === '' ? {} : { subResource: subresource }),
    requestKind: kindOfBody(request, kind, subresource === '' ? undefined : body),
    requestResource: resourceOf(kind),
    ...(subresource === '' ? {} : { requestSubResource: subresource }),
    ...(name === '' ? {} : { name }),
    ...(namespace === '' ? {} : { namespace }),
    operation,
    userInfo: {
      ...(username === '' ? {} : { username }),
      ...(uid === '' ? {} : { uid }),
      ...(groups.length === 0 ? {} : { groups }),
      ...(Object.keys(extra).length === 0 ? {} : { extra }),
    },
    dryRun,
    ...(options === undefined
      ? {}
      : { options: { apiVersion: 'meta.k8s.io/v1', kind: options, ...(dryRun ? { dryRun: ['All'] } : {}) } }),
  };
}

const namespaceMetadata = [
  'name',
  'generateName',
  'namespace',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'labels',
  'annotations',
  'finalizers',
] as const;

/** What expressions see of a namespace. Source: CreateNamespaceObject. */
export function namespaceValue({ metadata = {}, spec, status }: Namespace): ApiObject {
  const shown = Object.fromEntries(
    namespaceMetadata.flatMap((field) => (metadata[field] === undefined ? [] : [[field, metadata[field]]])),
  );
  return { metadata: shown, ...(spec === undefined ? {} : { spec }), ...(status === undefined ? {} : { status }) };
}
