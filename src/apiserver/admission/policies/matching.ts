import type {
  MatchResources,
  NamedRuleWithOperations,
  RuleWithOperations,
} from '#api/admissionregistration/types.generated.ts';
import type { Kind } from '#machinery/kind.ts';
import { selectorOf, type LabelSelectorSource, type Selector } from '#machinery/labels.ts';
import type { AdmissionRequest } from '../admission.ts';

/** Which requests are meant, with its selectors read. */
export interface Matching {
  readonly resources: MatchResources;
  /** Undefined if it selects everything. */
  readonly namespaces: Selector | undefined;
  readonly objects: Selector | undefined;
}

export function matchingOf(resources: MatchResources): Matching {
  const selector = (source: LabelSelectorSource | undefined) => {
    const read = selectorOf(source ?? {});
    return read.toString() === '' && read.matches(undefined) ? undefined : read;
  };
  return {
    resources,
    namespaces: selector(resources.namespaceSelector),
    objects: selector(resources.objectSelector),
  };
}

/** What decides whether a request is meant, beside the request itself. */
export interface Surroundings {
  /** Labels of the namespace the request is in; undefined if it is gone. */
  namespaceLabels(): Promise<Readonly<Record<string, string>> | undefined>;
  /** Other kinds whose objects are the same ones. */
  equivalents(kind: Kind): readonly Kind[];
}

/**
 * The kind as which a request is meant: its own, or one that shows the same objects; undefined if it is not meant.
 * Source: k8s.io/apiserver/pkg/admission/plugin/policy/matching and webhook/predicates.
 */
export async function matchedKind(
  { resources, namespaces, objects }: Matching,
  request: AdmissionRequest,
  around: Surroundings,
): Promise<Kind | undefined> {
  const { kind } = request.attributes;
  if (kind === undefined) return undefined;
  const { resourceRules = [], excludeResourceRules = [], matchPolicy } = resources;
  const alike = matchPolicy === 'Exact' ? [] : around.equivalents(kind);
  const meant = (rules: readonly NamedRuleWithOperations[]) =>
    [kind, ...alike].find((each) => rules.some((rule) => ruleMatches(rule, request, each)));
  const found = resourceRules.length === 0 ? kind : meant(resourceRules);
  if (found === undefined || (excludeResourceRules.length > 0 && meant(excludeResourceRules) !== undefined)) {
    return undefined;
  }
  if (objects !== undefined && !selectsObject(objects, request)) return undefined;
  if (namespaces !== undefined && !(await selectsNamespace(namespaces, request, around))) return undefined;
  return found;
}

function ruleMatches(rule: NamedRuleWithOperations, request: AdmissionRequest, kind: Kind): boolean {
  if (!operationMatches(rule, request, kind)) return false;
  const { resourceNames = [] } = rule;
  return resourceNames.length === 0 || resourceNames.includes(request.attributes.name ?? '');
}

const isNamespace = (kind: Kind) => kind.group === '' && kind.plural === 'namespaces';
const has = (list: readonly string[] | undefined, value: string) =>
  list !== undefined && (list.includes('*') || list.includes(value));

function operationMatches(rule: RuleWithOperations, { attributes, operation }: AdmissionRequest, kind: Kind): boolean {
  const { namespace, subresource = '' } = attributes;
  const isInCluster = isNamespace(kind) || namespace === undefined || namespace === '';
  if (rule.scope === 'Namespaced' && isInCluster) return false;
  if (rule.scope === 'Cluster' && !isInCluster) return false;
  if (!has(rule.operations, operation) || !has(rule.apiGroups, kind.group) || !has(rule.apiVersions, kind.version)) {
    return false;
  }
  return (rule.resources ?? []).some((text) => {
    const slash = text.indexOf('/');
    const [resource, sub] = slash < 0 ? [text, ''] : [text.slice(0, slash), text.slice(slash + 1)];
    return (resource === '*' || resource === kind.plural) && (sub === '*' || sub === subresource);
  });
}

/** The new object or the old one will do. */
function selectsObject(objects: Selector, { operation, object, stored }: AdmissionRequest): boolean {
  const old = operation === 'CONNECT' ? undefined : stored;
  return [object, old].some((each) => each !== undefined && objects.matches(each.metadata?.labels));
}

async function selectsNamespace(
  namespaces: Selector,
  { attributes, operation, object }: AdmissionRequest,
  around: Surroundings,
): Promise<boolean> {
  const { kind, namespace, subresource } = attributes;
  const isOfNamespace = kind !== undefined && isNamespace(kind);
  // What is in no namespace is never spared.
  if (!isOfNamespace && (namespace === undefined || namespace === '')) return true;
  if (isOfNamespace && subresource === undefined && (operation === 'CREATE' || operation === 'UPDATE')) {
    return namespaces.matches(object?.metadata?.labels);
  }
  const labels = await around.namespaceLabels();
  return labels !== undefined && namespaces.matches(labels);
}
