import { invalid, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { selectorFromLabels } from '#machinery/labels.ts';
import { definition } from '../definitions.ts';
import { ageColumn, containerColumns, integer, nameColumn, selectorColumn } from '../rules/columns.ts';
import { mapField, withDefaults } from '../rules/defaulting.ts';
import { nonNegative } from '../rules/fields.ts';
import { resetStatus } from '../rules/reset-status.ts';
import { defaultPodTemplate } from './pod-defaults.ts';
import { runningTemplateErrors } from './pod-template-rules.ts';
import type * as types from './types.generated.ts';

export type ReplicationController = types.ReplicationController;
export const ReplicationController: Kind<ReplicationController> = {
  group: '',
  version: 'v1',
  kind: 'ReplicationController',
  plural: 'replicationcontrollers',
  singular: 'replicationcontroller',
  shortNames: ['rc'],
  categories: ['all'],
  namespaced: true,
  get schema() {
    return definition('io.k8s.api.core.v1.ReplicationController');
  },
  hasGeneration: true,
  subresources: {
    status: true,
    scale: { specReplicas: 'spec.replicas', statusReplicas: 'status.replicas', labelSelector: 'spec.selector' },
  },
  /** The template's labels are the selector, and one's own labels, unless they are given. */
  defaults(controller) {
    const labels = controller.spec?.template?.metadata?.labels;
    const result = mapField(controller, 'spec', (spec) =>
      mapField(
        withDefaults<types.ReplicationControllerSpec>(spec, {
          replicas: 1,
          ...(labels === undefined || Object.keys(spec.selector ?? {}).length > 0 ? {} : { selector: labels }),
        }),
        'template',
        defaultPodTemplate,
      ),
    );
    if (labels === undefined || Object.keys(result.metadata?.labels ?? {}).length > 0) return result;
    return { ...result, metadata: { ...result.metadata, labels } };
  },
  prepareForCreate: resetStatus,
  validate({ spec }) {
    const { selector = {}, template } = spec;
    const errors: FieldError[] = [...nonNegative('spec.minReadySeconds', spec.minReadySeconds)];
    if (Object.keys(selector).length === 0) errors.push(required('spec.selector'));
    errors.push(...nonNegative('spec.replicas', spec.replicas));
    if (template === undefined) return [...errors, required('spec.template')];
    if (Object.keys(selector).length > 0 && !selectorFromLabels(selector).matches(template.metadata?.labels)) {
      errors.push(
        invalid(
          'spec.template.metadata.labels',
          template.metadata?.labels ?? null,
          '`selector` does not match template `labels`',
        ),
      );
    }
    return [...errors, ...runningTemplateErrors('spec.template', template, 'ReplicationController')];
  },
  columns: [
    nameColumn,
    integer('Desired', 'Number of pods wanted.', ({ spec }) => spec.replicas),
    integer('Current', 'Number of pods there are.', ({ status }) => status?.replicas ?? 0),
    integer('Ready', 'Number of pods that are ready.', ({ status }) => status?.readyReplicas ?? 0),
    ageColumn,
    ...containerColumns(({ spec }: types.ReplicationController) => spec.template),
    selectorColumn(({ spec }: types.ReplicationController) => ({ matchLabels: spec.selector ?? {} })),
  ],
  selectableFields: { 'status.replicas': ({ status }) => String(status?.replicas ?? 0) },
};
