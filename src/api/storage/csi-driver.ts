import { duplicate, invalid, notSupported } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import { ageColumn, boolean, column, nameColumn } from '../rules/columns.ts';
import { mapField, withDefaults } from '../rules/defaulting.ts';
import { each, immutable, optionalChoice } from '../rules/fields.ts';
import type * as types from './types.generated.ts';

const tokenSecondsMin = 600;
const tokenSecondsMax = 2 ** 32;
const updateSecondsMin = 10;
const lifecycleModes = ['Persistent', 'Ephemeral'];

export type CSIDriver = types.CSIDriver;
export const CSIDriver: Kind<CSIDriver> = {
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSIDriver',
  plural: 'csidrivers',
  singular: 'csidriver',
  namespaced: false,
  get schema() {
    return definition('io.k8s.api.storage.v1.CSIDriver');
  },
  /** Source: kubernetes pkg/apis/storage/v1 (defaults.go). */
  defaults: (driver) =>
    mapField(driver, 'spec', (spec) => {
      const defaulted = withDefaults(spec, {
        attachRequired: true,
        podInfoOnMount: false,
        storageCapacity: false,
        fsGroupPolicy: 'ReadWriteOnceWithFSType',
        requiresRepublish: false,
        seLinuxMount: false,
      });
      return (spec.volumeLifecycleModes ?? []).length > 0
        ? defaulted
        : { ...defaulted, volumeLifecycleModes: ['Persistent'] };
    }),
  /** Source: kubernetes pkg/apis/storage/validation (ValidateCSIDriver). */
  validate({ spec }) {
    const { fsGroupPolicy, tokenRequests, volumeLifecycleModes, nodeAllocatableUpdatePeriodSeconds: period } = spec;
    return [
      ...optionalChoice('spec.fsGroupPolicy', fsGroupPolicy, ['File', 'None', 'ReadWriteOnceWithFSType']),
      ...tokenErrors('spec.tokenRequests', tokenRequests),
      ...(volumeLifecycleModes ?? []).flatMap((mode) =>
        lifecycleModes.includes(mode) ? [] : [notSupported('spec.volumeLifecycleModes', mode, lifecycleModes)],
      ),
      ...(period !== undefined && period < updateSecondsMin
        ? [
            invalid(
              'spec.nodeAllocatableUpdatePeriodSeconds',
              period,
              `must be greater than or equal to ${updateSecondsMin} seconds`,
            ),
          ]
        : []),
    ];
  },
  validateUpdate: ({ spec }, { spec: stored }) => [
    ...immutable('spec.attachedRequired', spec.attachRequired, stored.attachRequired),
    ...immutable('spec.volumeLifecycleModes', spec.volumeLifecycleModes, stored.volumeLifecycleModes),
  ],
  columns: [
    nameColumn,
    boolean('AttachRequired', 'Whether volumes are attached first.', ({ spec }) => spec.attachRequired ?? true),
    boolean('PodInfoOnMount', 'Whether it is told of the pod.', ({ spec }) => spec.podInfoOnMount ?? false),
    boolean('StorageCapacity', 'Whether it reports capacity.', ({ spec }) => spec.storageCapacity ?? false),
    column('TokenRequests', 'Audiences of the tokens it is given.', ({ spec: { tokenRequests = [] } }) =>
      tokenRequests.length === 0 ? '<unset>' : tokenRequests.map(({ audience }) => audience).join(','),
    ),
    boolean(
      'RequiresRepublish',
      'Whether it is called again from time to time.',
      ({ spec }) => spec.requiresRepublish ?? false,
    ),
    column('Modes', 'Kinds of volumes it makes.', ({ spec: { volumeLifecycleModes = [] } }) =>
      volumeLifecycleModes.length === 0 ? '<none>' : volumeLifecycleModes.join(','),
    ),
    ageColumn,
  ],
};

function tokenErrors(field: string, requests: readonly types.TokenRequest[] | undefined): FieldError[] {
  const seen = new Set<string>();
  return each(field, requests, (path, { audience, expirationSeconds: seconds }) => {
    if (seen.has(audience)) return [duplicate(`${path}.audience`, audience)];
    seen.add(audience);
    if (seconds === undefined) return [];
    const at = `${path}.expirationSeconds`;
    if (seconds < tokenSecondsMin) return [invalid(at, seconds, 'may not specify a duration less than 10 minutes')];
    if (seconds > tokenSecondsMax) return [invalid(at, seconds, 'may not specify a duration larger than 2^32 seconds')];
    return [];
  });
}
