import { invalid } from '#machinery/field-error.ts';
import { age } from '#machinery/human-duration.ts';
import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import { column, wide } from '../rules/columns.ts';
import { optionalChoice } from '../rules/fields.ts';
import type * as types from './types.generated.ts';

export type Event = types.Event;
export const Event: Kind<Event> = {
  group: '',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  singular: 'event',
  shortNames: ['ev'],
  namespaced: true,
  createsOnUpdate: true,
  get schema() {
    return definition('io.k8s.api.core.v1.Event');
  },
  /** Source: kubernetes pkg/apis/core/validation/events.go (legacyValidateEvent). */
  validate({ metadata, involvedObject, type }) {
    const [own = '', about = ''] = [metadata?.namespace, involvedObject?.namespace];
    const misplaced = about === '' ? own !== 'default' && own !== '' : about !== own;
    return [
      ...(misplaced ? [invalid('involvedObject.namespace', about, 'does not match event.namespace')] : []),
      ...optionalChoice('type', type, ['Normal', 'Warning', '']),
    ];
  },
  columns: [
    column('Last Seen', 'When it happened last.', (event, now) => age(lastSeen(event), now)),
    column('Type', 'Normal or Warning.', ({ type = '' }) => type),
    column('Reason', 'Why it happened, in one word.', ({ reason = '' }) => reason),
    column('Object', 'What it happened to.', ({ involvedObject: about }) =>
      (about?.name ?? '') === ''
        ? (about?.kind ?? '').toLowerCase()
        : `${(about?.kind ?? '').toLowerCase()}/${about?.name ?? ''}`,
    ),
    wide('Subobject', 'Which part of the object.', ({ involvedObject }) => involvedObject?.fieldPath ?? ''),
    wide('Source', 'Who reports it.', (event) => source(event)),
    column('Message', 'What happened, in words.', ({ message = '' }) => message.trim()),
    wide('First Seen', 'When it happened first.', (event, now) => age(event.firstTimestamp ?? event.eventTime, now)),
    wide('Count', 'How often it happened.', ({ series, count }) => String(series?.count ?? count ?? 1)),
    { ...wide('Name', 'Name of the event.', ({ metadata }: types.Event) => metadata?.name ?? ''), format: 'name' },
  ],
  selectableFields: {
    'involvedObject.kind': ({ involvedObject }) => involvedObject?.kind ?? '',
    'involvedObject.namespace': ({ involvedObject }) => involvedObject?.namespace ?? '',
    'involvedObject.name': ({ involvedObject }) => involvedObject?.name ?? '',
    'involvedObject.uid': ({ involvedObject }) => involvedObject?.uid ?? '',
    'involvedObject.apiVersion': ({ involvedObject }) => involvedObject?.apiVersion ?? '',
    'involvedObject.resourceVersion': ({ involvedObject }) => involvedObject?.resourceVersion ?? '',
    'involvedObject.fieldPath': ({ involvedObject }) => involvedObject?.fieldPath ?? '',
    reason: ({ reason = '' }) => reason,
    reportingComponent: ({ reportingComponent = '' }) => reportingComponent,
    source: (event) => event.source?.component ?? event.reportingComponent ?? '',
    type: ({ type = '' }) => type,
  },
};

function lastSeen({ series, lastTimestamp, firstTimestamp, eventTime }: types.Event): string | undefined {
  return series?.lastObservedTime ?? lastTimestamp ?? firstTimestamp ?? eventTime;
}

function source({ source: from, reportingComponent = '', reportingInstance = '' }: types.Event): string {
  const [component = '', host = ''] = [from?.component, from?.host];
  const parts = component === '' && host === '' ? [reportingComponent, reportingInstance] : [component, host];
  return parts.filter((part) => part !== '').join(', ');
}
