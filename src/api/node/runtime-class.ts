import type { Kind } from '#machinery/kind.ts';
import { labelsErrors } from '#machinery/labels.ts';
import { dns1123LabelComplaints } from '#machinery/names.ts';
import { resourceListErrors } from '../core/resource-rules.ts';
import { tolerationsErrors } from '../core/scheduling-rules.ts';
import { definition } from '../definitions.ts';
import { ageColumn, column, nameColumn } from '../rules/columns.ts';
import { complain, immutable } from '../rules/fields.ts';
import type * as types from './types.generated.ts';

export type RuntimeClass = types.RuntimeClass;
export const RuntimeClass: Kind<RuntimeClass> = {
  group: 'node.k8s.io',
  version: 'v1',
  kind: 'RuntimeClass',
  plural: 'runtimeclasses',
  singular: 'runtimeclass',
  namespaced: false,
  createsOnUpdate: true,
  get schema() {
    return definition('io.k8s.api.node.v1.RuntimeClass');
  },
  /** Source: kubernetes pkg/apis/node/validation (ValidateRuntimeClass). */
  validate({ handler, overhead, scheduling }) {
    return [
      ...complain('handler', handler ?? '', dns1123LabelComplaints(handler ?? '')),
      ...resourceListErrors('overhead.podFixed', overhead?.podFixed),
      ...labelsErrors('scheduling.nodeSelector', scheduling?.nodeSelector),
      ...tolerationsErrors('scheduling.tolerations', scheduling?.tolerations),
    ];
  },
  validateUpdate: ({ handler }, stored) => immutable('handler', handler, stored.handler),
  columns: [nameColumn, column('Handler', "The container runtime's name for it.", ({ handler }) => handler), ageColumn],
};
