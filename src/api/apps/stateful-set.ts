import { forbidden, invalid, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { dns1123LabelComplaints } from '#machinery/names.ts';
import { claimTemplatesErrors } from '../core/persistent-volume-claim-rules.ts';
import { ownedTemplateErrors, runningTemplateErrors } from '../core/pod-template-rules.ts';
import { definition } from '../definitions.ts';
import { ageColumn, column, containerColumns, nameColumn } from '../rules/columns.ts';
import { mapField, mapItems, withDefaults } from '../rules/defaulting.ts';
import { choice, nonNegative, sameValue } from '../rules/fields.ts';
import { atMostHundredPercent, intOrPercentErrors, isZero } from '../rules/int-or-percent.ts';
import { resetStatus } from '../rules/reset-status.ts';
import type * as types from './types.generated.ts';
import { availableErrors, statusCountErrors, withTemplateDefaults } from './workload-rules.ts';

export type StatefulSet = types.StatefulSet;
export const StatefulSet: Kind<StatefulSet> = {
  group: 'apps',
  version: 'v1',
  kind: 'StatefulSet',
  plural: 'statefulsets',
  singular: 'statefulset',
  shortNames: ['sts'],
  categories: ['all'],
  namespaced: true,
  get schema() {
    return definition('io.k8s.api.apps.v1.StatefulSet');
  },
  hasGeneration: true,
  subresources: {
    status: true,
    scale: { specReplicas: 'spec.replicas', statusReplicas: 'status.replicas', labelSelector: 'spec.selector' },
  },
  validateName: dns1123LabelComplaints,
  defaults(set) {
    return mapField(set, 'spec', (spec) => {
      const rolled = mapField(
        withDefaults<types.StatefulSetSpec>(spec, {
          replicas: 1,
          podManagementPolicy: 'OrderedReady',
          revisionHistoryLimit: 10,
          updateStrategy: {},
          persistentVolumeClaimRetentionPolicy: {},
        }),
        'updateStrategy',
        defaultStrategy,
      );
      const retained = mapField(rolled, 'persistentVolumeClaimRetentionPolicy', (policy) =>
        withDefaults(policy, { whenDeleted: 'Retain', whenScaled: 'Retain' }),
      );
      return withTemplateDefaults(
        mapField(retained, 'volumeClaimTemplates', (claims) =>
          mapItems(claims, (claim) =>
            withDefaults(
              mapField(claim, 'spec', (claimSpec) => withDefaults(claimSpec, { volumeMode: 'Filesystem' })),
              { apiVersion: 'v1', kind: 'PersistentVolumeClaim', status: { phase: 'Pending' } },
            ),
          ),
        ),
      );
    });
  },
  prepareForCreate: resetStatus,
  validate({ spec, status }) {
    return [
      ...managementErrors('spec.podManagementPolicy', spec.podManagementPolicy),
      ...strategyErrors('spec.updateStrategy', spec.updateStrategy ?? {}),
      ...choice(`${retention}.whenDeleted`, spec.persistentVolumeClaimRetentionPolicy?.whenDeleted, retentions),
      ...choice(`${retention}.whenScaled`, spec.persistentVolumeClaimRetentionPolicy?.whenScaled, retentions),
      ...nonNegative('spec.replicas', spec.replicas),
      ...nonNegative('spec.minReadySeconds', spec.minReadySeconds),
      ...nonNegative('spec.ordinals.start', spec.ordinals?.start),
      ...nonNegative('spec.revisionHistoryLimit', spec.revisionHistoryLimit),
      ...ownedTemplateErrors('spec', spec.selector, spec.template, { emptyFor: 'statefulset', bad: '' }, () =>
        runningTemplateErrors('spec.template', withClaims(spec), 'StatefulSet'),
      ),
      ...claimTemplatesErrors('spec.volumeClaimTemplates', spec.volumeClaimTemplates),
      ...statusCountErrors(
        { ...status },
        ['replicas', 'readyReplicas', 'currentReplicas', 'updatedReplicas', 'availableReplicas'],
        ['readyReplicas', 'currentReplicas', 'updatedReplicas', 'availableReplicas'],
      ),
      ...availableErrors(status, 'status.readyReplicas'),
    ];
  },
  /** Source: kubernetes pkg/apis/apps/validation (ValidateStatefulSetUpdate). */
  validateUpdate({ spec }, { spec: stored }) {
    const changed = Object.keys({ ...stored, ...spec }).filter(
      (key) => !mutable.has(key) && !sameValue(spec[key as keyof typeof spec], stored[key as keyof typeof stored]),
    );
    return changed.length === 0
      ? []
      : [
          forbidden(
            'spec',
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
          ),
        ];
  },
  columns: [
    nameColumn,
    column(
      'Ready',
      'Number of the pod with ready state',
      ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec.replicas}`,
    ),
    ageColumn,
    ...containerColumns(({ spec }: types.StatefulSet) => spec.template),
  ],
};

const retention = 'spec.persistentVolumeClaimRetentionPolicy';
const retentions = ['Retain', 'Delete'];
const mutable: ReadonlySet<string> = new Set([
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
]);

function managementErrors(field: string, policy: string | undefined): FieldError[] {
  if (policy === undefined || policy === '') return [required(field)];
  return policy === 'OrderedReady' || policy === 'Parallel'
    ? []
    : [invalid(field, policy, "must be 'OrderedReady' or 'Parallel'")];
}

function defaultStrategy(strategy: types.StatefulSetUpdateStrategy): types.StatefulSetUpdateStrategy {
  const typed = withDefaults(strategy, { type: 'RollingUpdate' });
  if (typed.type !== 'RollingUpdate') return typed;
  const rollingUpdate = withDefaults(typed.rollingUpdate ?? {}, { partition: 0 });
  return rollingUpdate === typed.rollingUpdate ? typed : { ...typed, rollingUpdate };
}

function strategyErrors(field: string, { type, rollingUpdate }: types.StatefulSetUpdateStrategy): FieldError[] {
  if (type === undefined || type === '') return [required(field)];
  if (type === 'OnDelete') {
    return rollingUpdate === undefined
      ? []
      : [invalid(`${field}.rollingUpdate`, rollingUpdate, "only allowed for updateStrategy 'RollingUpdate'")];
  }
  if (type !== 'RollingUpdate') return [invalid(field, { type }, "must be 'RollingUpdate' or 'OnDelete'")];
  const path = `${field}.rollingUpdate`;
  const errors = nonNegative(`${path}.partition`, rollingUpdate?.partition);
  if (rollingUpdate?.maxUnavailable !== undefined) {
    errors.push(
      ...intOrPercentErrors(`${path}.maxUnavailable`, rollingUpdate.maxUnavailable),
      ...atMostHundredPercent(`${path}.maxUnavailable`, rollingUpdate.maxUnavailable),
    );
    if (isZero(rollingUpdate.maxUnavailable)) {
      errors.push(invalid(`${path}.maxUnavailable`, rollingUpdate.maxUnavailable, 'cannot be 0'));
    }
  }
  return errors;
}

/** The template as its pods will be: each claim template is a volume of theirs. */
function withClaims({ template, volumeClaimTemplates = [] }: types.StatefulSetSpec): types.StatefulSetSpec['template'] {
  if (template?.spec === undefined || volumeClaimTemplates.length === 0) return template;
  const claims = new Set(volumeClaimTemplates.map(({ metadata }) => metadata?.name ?? ''));
  const volumes = (template.spec.volumes ?? []).filter(({ name }) => !claims.has(name));
  return {
    ...template,
    spec: {
      ...template.spec,
      volumes: [
        ...volumes,
        ...[...claims].map((name) => ({
          name,
          persistentVolumeClaim: { claimName: name === '' ? 'claim' : name },
        })),
      ],
    },
  };
}
