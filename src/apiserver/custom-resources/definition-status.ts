/**
 * What becomes of a definition's status: which of its names are taken up, and whether its resource is served.
 * Source: apiextensions-apiserver pkg/controller/status (naming_controller.go), establish, apiapproval.
 */
import { isDeepStrictEqual } from 'node:util';
import { withDefinitionCondition } from '#api/apiextensions/definition-conditions.ts';
import { approvalOf } from '#api/apiextensions/definition-rules.ts';
import type { CustomResourceDefinition } from '#api/apiextensions/custom-resource-definition.ts';
import type { CustomResourceDefinitionNames } from '#api/apiextensions/types.generated.ts';

type Status = NonNullable<CustomResourceDefinition['status']>;
type Condition = NonNullable<Status['conditions']>[number];

/**
 * The next status of `crd`, undefined if it is as it should be. `others` are all definitions of its group; `now` is in
 * RFC 3339.
 */
export function planStatus(
  crd: CustomResourceDefinition,
  others: readonly CustomResourceDefinition[],
  now: string,
): Status | undefined {
  const { accepted, conflict } = planNames(crd, others);
  let conditions = crd.status?.conditions ?? [];
  const set = (condition: Parameters<typeof withDefinitionCondition>[1]) =>
    (conditions = withDefinitionCondition(conditions, condition, now));
  set(
    conflict === undefined
      ? { type: 'NamesAccepted', status: 'True', reason: 'NoConflicts', message: 'no conflicts found' }
      : { type: 'NamesAccepted', status: 'False', ...conflict },
  );
  const established = conditions.find(({ type }: Condition) => type === 'Established');
  if (established?.status !== 'True') {
    set(
      conflict === undefined
        ? {
            type: 'Established',
            status: 'True',
            reason: 'InitialNamesAccepted',
            message: 'the initial names have been accepted',
          }
        : { type: 'Established', status: 'False', reason: 'NotAccepted', message: 'not all names are accepted' },
    );
  }
  const approval = approvalOf(crd);
  if (approval !== undefined) set(approvalCondition(approval));
  const { storedVersions } = crd.status ?? {};
  const next: Status = {
    acceptedNames: accepted,
    conditions,
    ...(storedVersions === undefined ? {} : { storedVersions }),
  };
  const { observedGeneration: _observed, ...current } = crd.status ?? {};
  return isDeepStrictEqual(next, current) ? undefined : next;
}

const approvalReasons = {
  missing: ['False', 'MissingAnnotation'],
  invalid: ['False', 'InvalidAnnotation'],
  bypassed: ['False', 'UnapprovedAnnotation'],
  approved: ['True', 'ApprovedAnnotation'],
} as const;

function approvalCondition({ state, message }: NonNullable<ReturnType<typeof approvalOf>>) {
  const [status, reason] = approvalReasons[state];
  return { type: 'KubernetesAPIApprovalPolicyConformant' as const, status, reason, message };
}

interface NamePlan {
  readonly accepted: CustomResourceDefinitionNames;
  readonly conflict: { readonly reason: string; readonly message: string } | undefined;
}

/** Names that are free are taken up at once; those that another definition of the group holds stay as they were. */
function planNames(crd: CustomResourceDefinition, others: readonly CustomResourceDefinition[]): NamePlan {
  const wanted = crd.spec.names;
  const had = crd.status?.acceptedNames;
  const resources = new Set<string>();
  const kinds = new Set<string>();
  for (const other of others) {
    if (other.metadata?.name === crd.metadata?.name || other.spec.group !== crd.spec.group) continue;
    const { plural, singular, shortNames = [], kind, listKind } = other.status?.acceptedNames ?? {};
    for (const each of [plural, singular, ...shortNames]) if (each !== undefined) resources.add(each);
    for (const each of [kind, listKind]) if (each !== undefined) kinds.add(each);
  }
  let conflict: NamePlan['conflict'];
  const inUse = (name: string) => `${JSON.stringify(name)} is already in use`;
  const take = (name: string | undefined, before: string | undefined, used: ReadonlySet<string>, reason: string) => {
    if (name === undefined || name === before || !used.has(name)) return name;
    conflict = { reason, message: inUse(name) };
    return before;
  };
  const plural = take(wanted.plural, had?.plural, resources, 'PluralConflict') ?? '';
  const singular = take(wanted.singular, had?.singular, resources, 'SingularConflict');
  let { shortNames } = wanted;
  const taken = (shortNames ?? []).filter((name) => had?.shortNames?.includes(name) !== true && resources.has(name));
  if (taken.length > 0) {
    const messages = taken.map(inUse);
    const message = messages.length === 1 ? messages[0]! : `[${messages.join(', ')}]`;
    conflict = { reason: 'ShortNamesConflict', message };
    shortNames = had?.shortNames;
  }
  const kind = take(wanted.kind, had?.kind, kinds, 'KindConflict') ?? '';
  const listKind = take(wanted.listKind, had?.listKind, kinds, 'ListKindConflict');
  const { categories } = wanted;
  return {
    conflict,
    accepted: {
      plural,
      kind,
      ...(singular === undefined ? {} : { singular }),
      ...(listKind === undefined ? {} : { listKind }),
      ...(shortNames === undefined ? {} : { shortNames }),
      ...(categories === undefined ? {} : { categories }),
    },
  };
}
