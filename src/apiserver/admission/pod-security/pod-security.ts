import { Namespace } from '#api/core/namespace.ts';
import { Pod } from '#api/core/pod.ts';
import type { PodTemplateSpec } from '#api/core/types.generated.ts';
import type { ApiObject } from '#machinery/object.ts';
import { forbiddenRequest, internalError, invalidObject } from '#machinery/status-error.ts';
import { listAll } from '../../registry/list-all.ts';
import type { Registry } from '../../registry/registry.ts';
import type { RequestContext } from '../../request.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../admission.ts';
import { detailed, violations } from './evaluate.ts';
import { existingPodWarnings } from './existing-pods.ts';
import type { PodView } from './pod-view.ts';
import {
  compareLevels,
  defaultPolicy,
  describeAsked,
  formatLevel,
  isPrivileged,
  labelPrefix,
  type Policy,
  policyOf,
  sameLevel,
} from './policy.ts';

export interface PodSecurityOptions {
  /** For namespaces without labels; privileged unless given. */
  readonly defaults?: Policy;
  /** Whom and what no policy concerns. */
  readonly exempt?: {
    readonly usernames?: readonly string[];
    readonly namespaces?: readonly string[];
    readonly runtimeClasses?: readonly string[];
  };
}

/** Doors of a pod through which nothing comes that is looked at here. */
const ignoredDoors = new Set(['exec', 'attach', 'binding', 'eviction', 'log', 'portforward', 'proxy', 'status']);

/**
 * Holds pods to the Pod Security Standard that their namespace's labels name: refused (`enforce`), noted in the audit
 * log (`audit`) or warned about (`warn`), the latter two also for templates of pods.
 * Source: k8s.io/pod-security-admission/admission.
 */
export function podSecurity(registry: Registry, options: PodSecurityOptions = {}): AdmissionPlugin {
  const { defaults = defaultPolicy, exempt = {} } = options;
  const namespaces = registry.of(Namespace);
  const isExempt = (list: readonly string[] | undefined, name: string | undefined) =>
    name !== undefined && name !== '' && list?.includes(name) === true;

  async function validateNamespace(request: AdmissionRequest, context: RequestContext): Promise<void> {
    const { attributes, operation } = request;
    if (attributes.subresource !== undefined) return;
    const namespace = request.object as Namespace;
    const { name = '', labels } = namespace.metadata ?? {};
    const { policy, errors } = policyOf(labels, defaults);
    const ignored = () => {
      const pointless = isPrivileged(policy, 'enforce', 'audit', 'warn') || samePolicy(policy, defaults);
      if (!isExempt(exempt.namespaces, name) || pointless) return;
      context.warn(
        `namespace "${name}" is exempt from Pod Security, and the policy (${describeAsked(policy, labels)}) will be ignored`,
      );
    };
    if (operation === 'CREATE') {
      if (errors.length > 0) throw invalidObject(Namespace, name, errors);
      ignored();
      return;
    }
    const before = policyOf(request.stored?.metadata?.labels, defaults);
    if (errors.length > 0 && JSON.stringify(errors) !== JSON.stringify(before.errors)) {
      throw invalidObject(Namespace, name, errors);
    }
    const { enforce } = policy;
    if (sameLevel(enforce, before.policy.enforce) || enforce.level === 'privileged') return;
    const sameVersion = enforce.version === before.policy.enforce.version;
    if (sameVersion && compareLevels(enforce.level, before.policy.enforce.level) <= 0) return;
    if (isExempt(exempt.namespaces, name)) return ignored();
    const pods = await listAll(registry.of(Pod), name, context.signal);
    const looked = pods.filter(({ spec }) => !isExempt(exempt.runtimeClasses, spec.runtimeClassName));
    for (const text of existingPodWarnings(looked, enforce, name)) context.warn(text);
  }

  async function validateView(
    { attributes }: AdmissionRequest,
    context: RequestContext,
    { view, isPod }: { view: PodView | undefined; isPod: boolean },
  ): Promise<void> {
    const note = (key: string, value: string) => context.audit?.annotate(`${labelPrefix}${key}`, value);
    const { namespace, user, kind, name = '' } = attributes;
    if (view === undefined || namespace === undefined || kind === undefined) return;
    if (isExempt(exempt.namespaces, namespace)) return note('exempt', 'namespace');
    if (isExempt(exempt.usernames, user.username)) return note('exempt', 'user');
    const found = await namespaces.find({ name: namespace }, { want: 'newest' }, context.signal);
    if (found === undefined) {
      if (!isPod) return note('error', `failed to lookup namespace "${namespace}"`);
      throw internalError(`failed to lookup namespace "${namespace}"`);
    }
    const { policy, errors } = policyOf(found.object.metadata?.labels, defaults);
    if (errors.length === 0 && isPrivileged(policy, 'audit', 'warn') && (!isPod || isPrivileged(policy, 'enforce'))) {
      if (isPod) note('enforce-policy', formatLevel(policy.enforce));
      return;
    }
    if (isExempt(exempt.runtimeClasses, view.spec.runtimeClassName)) return note('exempt', 'runtimeClass');
    if (errors.length > 0) {
      note('error', `Failed to parse policy: ${errors.map((each) => `${each.field}: ${each.message}`).join(', ')}`);
    }
    const audited = violations(policy.audit, view);
    if (audited.length > 0) {
      note('audit-violations', `would violate PodSecurity "${formatLevel(policy.audit)}": ${detailed(audited)}`);
    }
    if (isPod) {
      note('enforce-policy', formatLevel(policy.enforce));
      const refused = violations(policy.enforce, view);
      if (refused.length > 0) {
        const detail = `violates PodSecurity "${formatLevel(policy.enforce)}": ${detailed(refused)}`;
        throw forbiddenRequest(kind, name, detail);
      }
    }
    const warned = violations(policy.warn, view);
    if (warned.length > 0) {
      context.warn(`would violate PodSecurity "${formatLevel(policy.warn)}": ${detailed(warned)}`);
    }
  }

  return {
    name: 'PodSecurity',
    async validate(request, context) {
      const { attributes, operation, object, stored } = request;
      const { kind, subresource } = attributes;
      if ((operation !== 'CREATE' && operation !== 'UPDATE') || kind === undefined || object === undefined) return;
      if (kind.group === '' && kind.plural === 'namespaces') return await validateNamespace(request, context);
      if (kind.group === '' && kind.plural === 'pods') {
        if (subresource !== undefined && ignoredDoors.has(subresource)) return;
        const pod = object as Pod;
        if (operation === 'UPDATE' && !concerns(pod, stored as Pod)) return;
        return await validateView(request, context, { view: viewOf(pod.metadata, pod.spec), isPod: true });
      }
      if (subresource !== undefined) return;
      const template = templateOf[`${kind.group}/${kind.plural}`]?.(object);
      const view = template === undefined ? undefined : viewOf(template.metadata, template.spec);
      await validateView(request, context, { view, isPod: false });
    },
  };
}

const samePolicy = (a: Policy, b: Policy) =>
  (['enforce', 'audit', 'warn'] as const).every((mode) => sameLevel(a[mode], b[mode]));

function viewOf(metadata: PodView['metadata'] | undefined, spec: PodView['spec'] | undefined): PodView | undefined {
  return spec === undefined ? undefined : { metadata: metadata ?? {}, spec };
}

interface Templated extends ApiObject {
  readonly spec?: { readonly template?: PodTemplateSpec; readonly jobTemplate?: { readonly spec?: Templated['spec'] } };
  readonly template?: PodTemplateSpec;
}

const inSpec = (object: Templated) => object.spec?.template;

/** Where the kinds that make pods have their template. */
const templateOf: Readonly<Record<string, (object: Templated) => PodTemplateSpec | undefined>> = {
  '/podtemplates': (object) => object.template,
  '/replicationcontrollers': inSpec,
  'apps/replicasets': inSpec,
  'apps/deployments': inSpec,
  'apps/statefulsets': inSpec,
  'apps/daemonsets': inSpec,
  'batch/jobs': inSpec,
  'batch/cronjobs': (object) => object.spec?.jobTemplate?.spec?.template,
};

/** Whether a change of a pod may bring in something new: other images, more containers. */
function concerns(pod: Pod, stored: Pod): boolean {
  const images = ({ spec }: Pod) =>
    [spec.containers, spec.initContainers ?? []].map((list) => list.map(({ image }) => image));
  if (JSON.stringify(images(pod)) !== JSON.stringify(images(stored))) return true;
  const before = new Map(stored.spec.ephemeralContainers?.map(({ name, image }) => [name, image]));
  return (pod.spec.ephemeralContainers ?? []).some(
    ({ name, image }) => !before.has(name) || before.get(name) !== image,
  );
}
