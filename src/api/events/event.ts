import { required } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { qualifiedNameComplaints } from '#machinery/names.ts';
import { Event as CoreEvent } from '../core/event.ts';
import type * as core from '../core/types.generated.ts';
import { definition } from '../definitions.ts';
import { atMostBytes, choice, immutable, text } from '../rules/fields.ts';
import { isNew } from '../rules/is-new.ts';
import { eventFromStored, eventToStored } from './event-view.ts';
import type * as types from './types.generated.ts';

export type Event = types.Event;
export const Event: Kind<Event> = {
  group: 'events.k8s.io',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  singular: 'event',
  shortNames: ['ev'],
  namespaced: true,
  createsOnUpdate: true,
  get schema() {
    return definition('io.k8s.api.events.v1.Event');
  },
  view: {
    of: CoreEvent,
    toStored: (event: Event) => eventToStored(event),
    fromStored: (stored) => eventFromStored(stored as core.Event), // the view is of core's events alone
  },
  /** Source: kubernetes pkg/apis/core/validation/events.go (ValidateEventCreate). */
  validate(event) {
    if (!isNew(event)) return [];
    return [
      ...(event.eventTime === undefined ? [required('eventTime')] : []),
      ...text('reportingController', event.reportingController, qualifiedNameComplaints),
      ...text('reportingInstance', event.reportingInstance),
      ...atMostBytes('reportingInstance', event.reportingInstance, textBytesMax),
      ...text('action', event.action),
      ...atMostBytes('action', event.action, textBytesMax),
      ...text('reason', event.reason),
      ...atMostBytes('reason', event.reason, textBytesMax),
      ...atMostBytes('note', event.note, noteBytesMax),
      ...choice('type', event.type, ['Normal', 'Warning']),
    ];
  },
  /** What happened cannot be told otherwise later; only how often, in `series`. */
  validateUpdate(event, stored) {
    return fixed.flatMap((name) => immutable(name, event[name], stored[name]));
  },
  columns: (CoreEvent.columns ?? []).map((column) => ({
    ...column,
    cell: (event: Event, now: number) => column.cell(eventToStored(event), now),
  })),
  selectableFields: {
    'regarding.kind': ({ regarding }) => regarding?.kind ?? '',
    'regarding.namespace': ({ regarding }) => regarding?.namespace ?? '',
    'regarding.name': ({ regarding }) => regarding?.name ?? '',
    'regarding.uid': ({ regarding }) => regarding?.uid ?? '',
    'regarding.apiVersion': ({ regarding }) => regarding?.apiVersion ?? '',
    'regarding.resourceVersion': ({ regarding }) => regarding?.resourceVersion ?? '',
    'regarding.fieldPath': ({ regarding }) => regarding?.fieldPath ?? '',
    reason: ({ reason = '' }) => reason,
    reportingController: ({ reportingController = '' }) => reportingController,
    type: ({ type = '' }) => type,
  },
};

const textBytesMax = 128;
const noteBytesMax = 1024;
const fixed = [
  'regarding',
  'related',
  'note',
  'reason',
  'type',
  'eventTime',
  'action',
  'reportingController',
  'reportingInstance',
] as const;
