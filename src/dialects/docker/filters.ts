import { badRequest } from '#machinery/status-error.ts';
import type { ContainerRecord } from './container-record.ts';
import { stateOf } from './container-state.ts';
import { createdAt, imageOf, labelsOf, networkOf } from './container-view.ts';
import { isObject } from './create-body.ts';
import type { DockerEvent } from './events.ts';
import { withTag } from './image-names.ts';

/** Name → values; all names must hold, any value of each. */
export type Filters = ReadonlyMap<string, readonly string[]>;

/** Both forms of the `filters` query: `{"k":{"v":true}}` and the older `{"k":["v"]}`. Throws BadRequest. */
export function parseFilters(text: string | null, known: readonly string[]): Filters {
  if (text === null || text === '') return new Map();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw badRequest(`invalid filters: ${text.slice(0, 100)} is not JSON`);
  }
  if (!isObject(value)) throw badRequest('invalid filters: an object is wanted');
  const filters = new Map<string, readonly string[]>();
  for (const [name, values] of Object.entries(value)) {
    if (!known.includes(name)) throw badRequest(`invalid filter '${name}'`);
    const list = Array.isArray(values)
      ? values
      : isObject(values)
        ? Object.keys(values).filter((key) => values[key] === true)
        : [];
    filters.set(name, list.map(String));
  }
  return filters;
}

export const containerFilters = ['id', 'name', 'label', 'status', 'exited', 'ancestor', 'before', 'since', 'network', 'publish', 'expose', 'health', 'volume', 'node', 'is-task'] as const; // prettier-ignore
const statuses = ['created', 'running', 'paused', 'restarting', 'removing', 'exited', 'dead'];

/** Whether `docker ps` shows a container. Throws BadRequest for values that make no sense. */
export function containerMatcher(
  filters: Filters,
  find: (name: string) => ContainerRecord,
  now: number,
): (record: ContainerRecord) => boolean {
  for (const status of filters.get('status') ?? [])
    if (!statuses.includes(status)) throw badRequest(`invalid filter 'status=${status}'`);
  for (const code of filters.get('exited') ?? [])
    if (!/^-?\d+$/.test(code)) throw badRequest(`invalid filter 'exited=${code}'`);
  const names = (filters.get('name') ?? []).map((text) => pattern(text));
  const moments = (filter: string) => (filters.get(filter) ?? []).map((name) => createdAt(find(name)));
  const [before, since] = [moments('before'), moments('since')];
  const test: Readonly<Record<(typeof containerFilters)[number], (record: ContainerRecord, value: string) => boolean>> =
    {
      id: ({ id }, value) => id.startsWith(value),
      name: ({ name }) => names.some((regex) => regex.test(name) || regex.test(`/${name}`)),
      label: (record, value) => hasLabel(labelsOf(record), value),
      status: (record, value) => stateOf(record, now).status === value,
      exited: (record, value) => {
        const { status, exitCode } = stateOf(record, now);
        return status === 'exited' && exitCode === Number(value);
      },
      ancestor: (record, value) =>
        [imageOf(record), withTag(imageOf(record)), withTag(record.container.image ?? '')].includes(withTag(value)),
      before: (record) => before.some((moment) => createdAt(record) < moment),
      since: (record) => since.some((moment) => createdAt(record) > moment),
      network: (record, value) => networkOf(record) === value,
      publish: ({ container }, value) =>
        (container.ports ?? []).some(({ hostPort, protocol }) => samePort(hostPort, protocol, value)),
      expose: ({ container }, value) =>
        (container.ports ?? []).some(({ containerPort, protocol }) => samePort(containerPort, protocol, value)),
      health: (record, value) => (stateOf(record, now).health ?? 'none') === value,
      volume: ({ container, pod }, value) =>
        (container.volumeMounts ?? []).some(
          ({ name, mountPath }) =>
            mountPath === value || pod.spec.volumes?.find((volume) => volume.name === name)?.hostPath?.path === value,
        ),
      node: ({ pod }, value) => pod.spec.nodeName === value,
      'is-task': (_, value) => value === 'false' || value === '0',
    };
  return (record) =>
    [...filters].every(([name, values]) => {
      const holds = test[name as keyof typeof test];
      // Labels are all asked for, the others are alternatives.
      return name === 'label'
        ? values.every((value) => holds(record, value))
        : values.some((value) => holds(record, value));
    });
}

function samePort(port: number | undefined, protocol = 'TCP', wanted: string): boolean {
  const [number = '', wantedProtocol = 'tcp'] = wanted.split('/');
  const [first = '', last = first] = number.split('-');
  return (
    port !== undefined && port >= Number(first) && port <= Number(last) && protocol.toLowerCase() === wantedProtocol
  );
}

function pattern(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    throw badRequest(`invalid filter 'name=${text}': ${(error as Error).message}`);
  }
}

export function hasLabel(labels: Readonly<Record<string, string>>, wanted: string): boolean {
  const equals = wanted.indexOf('=');
  const key = equals < 0 ? wanted : wanted.slice(0, equals);
  return Object.hasOwn(labels, key) && (equals < 0 || labels[key] === wanted.slice(equals + 1));
}

export const eventFilters = ['type', 'event', 'container', 'image', 'label', 'scope', 'node'] as const;

/** Whether `docker events` shows an event. */
export function eventMatcher(filters: Filters): (event: DockerEvent) => boolean {
  const test: Readonly<Record<(typeof eventFilters)[number], (event: DockerEvent, value: string) => boolean>> = {
    type: ({ Type }, value) => Type === value,
    event: ({ Action }, value) => Action === value || Action.startsWith(`${value}:`),
    container: ({ Type, Actor }, value) =>
      Type === 'container' && (Actor.ID.startsWith(value) || Actor.Attributes['name'] === value.replace(/^\//, '')),
    image: ({ Actor }, value) =>
      [Actor.Attributes['image'] ?? '', Actor.Attributes['name'] ?? ''].some(
        (image) => image === value || withTag(image) === withTag(value),
      ),
    label: ({ Actor }, value) => hasLabel(Actor.Attributes, value),
    scope: ({ scope }, value) => scope === value,
    node: ({ Actor }, value) => Actor.Attributes['node.name'] === value,
  };
  return (event) =>
    [...filters].every(([name, values]) => {
      const holds = test[name as keyof typeof test];
      return name === 'label'
        ? values.every((value) => holds(event, value))
        : values.some((value) => holds(event, value));
    });
}
