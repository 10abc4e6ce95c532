import { forbidden, invalid, notSupported, tooMany, type FieldError } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { dns1123SubdomainComplaints } from '#machinery/names.ts';
import { amountErrors } from '../core/resource-rules.ts';
import { tolerationsErrors } from '../core/scheduling-rules.ts';
import { definition } from '../definitions.ts';
import { ageColumn, column, integer, nameColumn, wide } from '../rules/columns.ts';
import { resetStatus } from '../rules/reset-status.ts';
import { atMostBytes, complain, each, immutable, inRange, sameValue, text } from '../rules/fields.ts';
import type * as types from './types.ts';

export type Reservation = types.Reservation;
export type { PortRange, ReservationSpec, ReservationStatus } from './types.ts';

/**
 * Room on one node that is set aside for a holder for a time: what a Mesos offer is. Whoever may create one asks for
 * it; the scheduler grants or refuses it, and says so in `status`. Pods of the same namespace that carry
 * `reservationAnnotation` are placed into it and nowhere else. Deleting it gives it back. Once it has ended in whatever
 * way its spec changes no more, so that whoever accepts too late is told. See docs/reservations.md.
 */
export const Reservation: Kind<Reservation> = {
  group: 'scheduling.tutti.dev',
  version: 'v1',
  kind: 'Reservation',
  plural: 'reservations',
  singular: 'reservation',
  shortNames: ['rsv'],
  namespaced: true,
  get schema() {
    return definition('dev.tutti.scheduling.v1.Reservation');
  },
  hasGeneration: true,
  subresources: { status: true },
  prepareForCreate: resetStatus,
  defaults(reservation) {
    const { priority = 0, timeoutSeconds = timeoutSecondsDefault } = reservation.spec;
    return { ...reservation, spec: { ...reservation.spec, priority, timeoutSeconds } };
  },
  validate({ spec }) {
    const { nodeName, holder, resources = {}, hostPorts, tolerations, priority, timeoutSeconds, pods } = spec;
    return [
      ...text('spec.nodeName', nodeName, dns1123SubdomainComplaints),
      ...text('spec.holder', holder),
      ...atMostBytes('spec.holder', holder, holderBytesMax),
      ...Object.entries(resources).flatMap(([name, amount]) => amountErrors(`spec.resources[${name}]`, name, amount)),
      ...portErrors('spec.hostPorts', hostPorts),
      ...tolerationsErrors('spec.tolerations', tolerations),
      ...inRange('spec.priority', priority, -(2 ** 31), highestPriority),
      ...inRange('spec.timeoutSeconds', timeoutSeconds, 1, timeoutSecondsMax),
      ...((pods ?? []).length > podsMax ? [tooMany('spec.pods', pods?.length ?? 0, podsMax)] : []),
      ...each('spec.pods', pods, (field, name) => complain(field, name, dns1123SubdomainComplaints(name))),
    ];
  },
  validateUpdate({ spec, status }, stored, subresource) {
    const { phase = '', message = '' } = stored.status ?? {};
    if (subresource === 'status') {
      return reservationEnds.has(phase) ? immutable('status.phase', status?.phase, phase) : [];
    }
    if (reservationEnds.has(phase) && !sameValue(spec, stored.spec)) {
      const why = message === '' ? '' : ` (${message})`;
      return [forbidden('spec', `the reservation is ${phase}${why}: create another one`)];
    }
    return fixed.flatMap((name) => immutable(`spec.${name}`, spec[name], stored.spec[name]));
  },
  columns: [
    nameColumn,
    column('Phase', 'Whether the room is held.', ({ status }) => status?.phase ?? 'Pending'),
    column('Node', 'Where the room is.', ({ spec }) => spec.nodeName),
    column('Holder', 'Who has it.', ({ spec }) => spec.holder),
    column('Room', 'What is held.', ({ spec, status }) => roomText(status?.resources ?? spec.resources)),
    integer('Priority', 'Pods of higher priority may have the room.', ({ spec }) => spec.priority ?? 0),
    ageColumn,
    wide('Until', 'When it ends by itself.', ({ status }) => status?.expiresAt ?? ''),
    wide('Message', 'Why it was refused or has ended.', ({ status }) => status?.message ?? ''),
  ],
};

/** On a pod: the name of the reservation, in the pod's namespace, that it is placed into. */
export const reservationAnnotation = 'scheduling.tutti.dev/reservation';

/** Phases in which nothing is held any more, nor ever will be. */
export const reservationEnds: ReadonlySet<string> = new Set(['Refused', 'Rescinded', 'Expired', 'Consumed']);

/** How long room is held where nobody says. */
export const timeoutSecondsDefault = 300;

const fixed = ['nodeName', 'holder', 'resources', 'hostPorts', 'tolerations'] as const;
const timeoutSecondsMax = 7 * 86_400;
const holderBytesMax = 253;
const podsMax = 1_000;
/** As for priority classes that users make. */
const highestPriority = 1_000_000_000;
/** Of all ranges together. */
const portsMax = 2_048;

function portErrors(field: string, ranges: readonly types.PortRange[] | undefined): FieldError[] {
  const errors = each(field, ranges, (path, { protocol = 'TCP', port, endPort }) => [
    ...(['TCP', 'UDP', 'SCTP'].includes(protocol)
      ? []
      : [notSupported(`${path}.protocol`, protocol, ['SCTP', 'TCP', 'UDP'])]),
    ...inRange(`${path}.port`, port, 1, 65_535),
    ...inRange(`${path}.endPort`, endPort, 1, 65_535),
    ...(endPort !== undefined && endPort < port
      ? [invalid(`${path}.endPort`, endPort, 'must be greater than or equal to `port`')]
      : []),
  ]);
  if (errors.length > 0) return errors;
  const count = (ranges ?? []).reduce((sum, { port, endPort = port }) => sum + endPort - port + 1, 0);
  return count > portsMax ? [invalid(field, count, `must be at most ${portsMax} ports in all`)] : [];
}

const roomText = (resources: Readonly<Record<string, string>> | undefined) =>
  resources === undefined
    ? 'all that is free'
    : Object.entries(resources)
        .map(([name, amount]) => `${name} ${amount}`)
        .join(', ');
