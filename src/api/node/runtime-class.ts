import { duplicate } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { labelsErrors } from '#machinery/labels.ts';
import { dns1123LabelComplaints } from '#machinery/names.ts';
import { resourceRequirementsErrors } from '../core/resource-rules.ts';
import { tolerationsErrors } from '../core/scheduling-rules.ts';
import type { Toleration } from '../core/types.generated.ts';
import { definition } from '../definitions.ts';
import { ageColumn, column, nameColumn } from '../rules/columns.ts';
import { complain, each, immutable } from '../rules/fields.ts';
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
      ...resourceRequirementsErrors(
        'overhead',
        overhead?.podFixed === undefined ? undefined : { limits: overhead.podFixed },
      ),
      ...labelsErrors('scheduling.nodeSelector', scheduling?.nodeSelector),
      // Upstream's path has the list's name twice.
      ...tolerationsErrors('scheduling.tolerations.tolerations', scheduling?.tolerations),
      ...each('scheduling.tolerations', scheduling?.tolerations, (path, toleration, index) =>
        (scheduling?.tolerations ?? []).findIndex((other) => isSameToleration(other, toleration)) < index
          ? [duplicate(path, toleration)]
          : [],
      ),
    ];
  },
  validateUpdate: ({ handler }, stored) => immutable('handler', handler, stored.handler),
  columns: [nameColumn, column('Handler', "The container runtime's name for it.", ({ handler }) => handler), ageColumn],
};

const isSameToleration = (a: Toleration, b: Toleration) =>
  (['key', 'operator', 'value', 'effect'] as const).every((name) => (a[name] ?? '') === (b[name] ?? ''));
