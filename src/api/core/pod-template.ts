import type { Kind } from '#machinery/kind.ts';
import { formatLabels } from '#machinery/labels.ts';
import { definition } from '../definitions.ts';
import { containerColumns, column, nameColumn } from '../rules/columns.ts';
import { mapField } from '../rules/defaulting.ts';
import { defaultPodTemplate } from './pod-defaults.ts';
import { podTemplateErrors } from './pod-template-rules.ts';
import type * as types from './types.generated.ts';

export type PodTemplate = types.PodTemplate;
export const PodTemplate: Kind<PodTemplate> = {
  group: '',
  version: 'v1',
  kind: 'PodTemplate',
  plural: 'podtemplates',
  singular: 'podtemplate',
  namespaced: true,
  get schema() {
    return definition('io.k8s.api.core.v1.PodTemplate');
  },
  defaults: (template) => mapField(template, 'template', defaultPodTemplate),
  validate: ({ template }) => podTemplateErrors('template', template ?? { spec: { containers: [] } }),
  columns: [
    nameColumn,
    ...containerColumns(({ template }: types.PodTemplate) => template).map((each) => ({
      ...each,
      priority: 0 as const,
    })),
    column('Pod Labels', 'Labels of the pods made from the template.', ({ template }) =>
      formatLabels(template?.metadata?.labels),
    ),
  ],
};
