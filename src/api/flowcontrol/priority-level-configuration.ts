import { isDeepStrictEqual } from 'node:util';
import { forbidden, invalid, notSupported, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import { ageColumn, column, nameColumn } from '../rules/columns.ts';
import { conditionErrors } from './flow-schema.ts';
import { fixedSpecErrors, mandatoryPriorityLevels } from './mandatory.ts';
import type * as types from './types.generated.ts';

const queuesMax = 10_000_000;
/** Bits of the hash that shuffle sharding deals from. */
const hashBitsMax = 60;
/** Source: kubernetes pkg/apis/flowcontrol/v1/defaults.go. */
const defaults = { shares: 30, queues: 64, handSize: 8, queueLengthLimit: 50 } as const;

/** Source of the rules: kubernetes pkg/apis/flowcontrol/validation. */
export type PriorityLevelConfiguration = types.PriorityLevelConfiguration;
export const PriorityLevelConfiguration: Kind<PriorityLevelConfiguration> = {
  group: 'flowcontrol.apiserver.k8s.io',
  version: 'v1',
  kind: 'PriorityLevelConfiguration',
  plural: 'prioritylevelconfigurations',
  singular: 'prioritylevelconfiguration',
  namespaced: false,
  get schema() {
    return definition('io.k8s.api.flowcontrol.v1.PriorityLevelConfiguration');
  },
  hasGeneration: true,
  subresources: { status: true },
  defaults(object) {
    const spec = completed(object.spec);
    return isDeepStrictEqual(spec, object.spec) ? object : { ...object, spec };
  },
  validate(object) {
    const { spec, status } = object;
    return [
      ...typeErrors(object.metadata?.name ?? '', spec),
      ...fixedSpecErrors(mandatoryPriorityLevels, object, ({ type, limited }) => ({ type, limited })),
      ...conditionErrors(status?.conditions),
    ];
  },
  columns: [
    nameColumn,
    column('Type', 'Whether its requests are limited.', ({ spec }) => spec.type),
    column('NominalConcurrencyShares', 'Its part of the server.', ({ spec }) =>
      shown((spec.limited ?? spec.exempt)?.nominalConcurrencyShares),
    ),
    column('Queues', 'How many queues it has.', ({ spec }) => shown(spec.limited?.limitResponse?.queuing?.queues)),
    column('HandSize', 'How many of them a flow is dealt.', ({ spec }) =>
      shown(spec.limited?.limitResponse?.queuing?.handSize),
    ),
    column('QueueLengthLimit', 'How many requests wait in one.', ({ spec }) =>
      shown(spec.limited?.limitResponse?.queuing?.queueLengthLimit),
    ),
    ageColumn,
  ],
};

const shown = (value: number | undefined) => (value === undefined ? '<none>' : String(value));

function completed(spec: types.PriorityLevelConfigurationSpec): types.PriorityLevelConfigurationSpec {
  if (spec.type === 'Exempt') {
    return { ...spec, exempt: { nominalConcurrencyShares: 0, lendablePercent: 0, ...spec.exempt } };
  }
  if (spec.limited === undefined) return spec;
  const { limitResponse } = spec.limited;
  const queuing = limitResponse?.queuing;
  return {
    ...spec,
    limited: {
      nominalConcurrencyShares: defaults.shares,
      lendablePercent: 0,
      ...spec.limited,
      ...(limitResponse === undefined || queuing === undefined
        ? {}
        : {
            limitResponse: {
              ...limitResponse,
              queuing: {
                queues: given(queuing.queues) ?? defaults.queues,
                handSize: given(queuing.handSize) ?? defaults.handSize,
                queueLengthLimit: given(queuing.queueLengthLimit) ?? defaults.queueLengthLimit,
              },
            },
          }),
    },
  };
}

const given = (value: number | undefined) => (value === 0 ? undefined : value);

function typeErrors(name: string, spec: types.PriorityLevelConfigurationSpec): readonly FieldError[] {
  const errors: FieldError[] = [];
  if ((name === 'exempt') !== (spec.type === 'Exempt'))
    errors.push(invalid('spec.type', spec.type, "type must be 'Exempt' if and only if name is 'exempt'"));
  switch (spec.type) {
    case 'Exempt':
      if (spec.limited !== undefined) errors.push(forbidden('spec.limited', 'must be nil if the type is not Limited'));
      return [...errors, ...sharesErrors('spec.exempt', spec.exempt)];
    case 'Limited':
      if (spec.exempt !== undefined) errors.push(forbidden('spec.exempt', 'must be nil if the type is Limited'));
      if (spec.limited === undefined)
        return [...errors, required('spec.limited', 'must not be empty when type is Limited')];
      return [...errors, ...limitedErrors('spec.limited', spec.limited)];
    default:
      return [...errors, notSupported('spec.type', spec.type, ['Exempt', 'Limited'])];
  }
}

function sharesErrors(
  path: string,
  values: { readonly nominalConcurrencyShares?: number; readonly lendablePercent?: number } = {},
): FieldError[] {
  const { nominalConcurrencyShares: shares = 0, lendablePercent: lendable = 0 } = values;
  return [
    ...(shares < 0 ? [invalid(`${path}.nominalConcurrencyShares`, shares, 'must be a non-negative integer')] : []),
    ...(lendable < 0 || lendable > 100
      ? [invalid(`${path}.lendablePercent`, lendable, 'must be between 0 and 100, inclusive')]
      : []),
  ];
}

function limitedErrors(path: string, limited: types.LimitedPriorityLevelConfiguration): FieldError[] {
  const { borrowingLimitPercent: borrowing, limitResponse } = limited;
  return [
    ...sharesErrors(path, limited),
    ...(borrowing !== undefined && borrowing < 0
      ? [invalid(`${path}.borrowingLimitPercent`, borrowing, 'if specified, must be a non-negative integer')]
      : []),
    ...responseErrors(`${path}.limitResponse`, limitResponse ?? { type: '' }),
  ];
}

function responseErrors(path: string, { type, queuing }: types.LimitResponse): FieldError[] {
  switch (type) {
    case 'Reject':
      return queuing === undefined
        ? []
        : [forbidden(`${path}.queuing`, 'must be nil if limited.limitResponse.type is not Limited')];
    case 'Queue':
      return queuing === undefined
        ? [required(`${path}.queuing`, 'must not be empty if limited.limitResponse.type is Limited')]
        : queuingErrors(`${path}.queuing`, queuing);
    default:
      return [notSupported(`${path}.type`, type, ['Queue', 'Reject'])];
  }
}

function queuingErrors(path: string, { queues = 0, handSize = 0, queueLengthLimit = 0 }: types.QueuingConfiguration) {
  const errors: FieldError[] = [];
  if (queueLengthLimit <= 0) errors.push(invalid(`${path}.queueLengthLimit`, queueLengthLimit, 'must be positive'));
  if (queues <= 0) errors.push(invalid(`${path}.queues`, queues, 'must be positive'));
  else if (queues > queuesMax) errors.push(invalid(`${path}.queues`, queues, `must not be greater than ${queuesMax}`));
  const bits = entropyBits(queues, handSize);
  if (handSize <= 0) errors.push(invalid(`${path}.handSize`, handSize, 'must be positive'));
  else if (handSize > queues)
    errors.push(invalid(`${path}.handSize`, handSize, `should not be greater than queues (${queues})`));
  else if (bits > hashBitsMax)
    errors.push(
      invalid(
        `${path}.handSize`,
        handSize,
        `required entropy bits of deckSize ${queues} and handSize ${handSize} should not be greater than ${hashBitsMax}`,
      ),
    );
  return errors;
}

/** Source: k8s.io/apiserver/pkg/util/shufflesharding (RequiredEntropyBits). */
function entropyBits(deck: number, hand: number): number {
  let bits = 0;
  for (let i = 0; i < Math.min(hand, deck, hashBitsMax * 2); i++) bits += Math.log2(deck - i);
  return Math.ceil(bits);
}
