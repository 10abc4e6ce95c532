import { stateOf } from './container-state.ts';
import type { ContainerChange } from './containers.ts';
import type { ContainerRecord } from './container-record.ts';
import { imageOf, labelsOf } from './container-view.ts';

/** One line of GET /events. */
export interface DockerEvent {
  readonly Type: 'container' | 'image';
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> };
  readonly scope: 'local';
  readonly time: number;
  readonly timeNano: number;
  /** What old clients read. */
  readonly status: string;
  readonly id: string;
  readonly from?: string;
}

/** Docker keeps as many for `--since`. */
const rememberedMax = 256;

/** What a change of a container is called in Docker, in order. Pure. */
export function actionsOf(
  { type, record, previous }: ContainerChange,
  now: number,
): readonly { readonly action: string; readonly attributes?: Readonly<Record<string, string>> }[] {
  const state = stateOf(record, now);
  const before = previous === undefined ? undefined : stateOf(previous, now);
  const die = (exitCode: number) => ({ action: 'die', attributes: { exitCode: `${exitCode}` } });
  switch (type) {
    case 'added':
      return [{ action: 'create' }, ...(state.status === 'running' ? [{ action: 'start' }] : [])];
    case 'removed':
      return [...(state.status === 'running' ? [die(137)] : []), { action: 'destroy' }];
    case 'changed': {
      const actions: { action: string; attributes?: Record<string, string> }[] = [];
      const isNewRun =
        before !== undefined &&
        (state.startedAt !== before.startedAt || record.pod.metadata?.uid !== previous?.pod.metadata?.uid);
      const hasRun = !state.startedAt.startsWith('0001');
      const ended = state.status !== 'running' && hasRun;
      if (isNewRun && before.status === 'running') actions.push(die(before.exitCode));
      if (hasRun && isNewRun) actions.push({ action: 'start' });
      if (ended && (isNewRun || before?.status === 'running')) {
        if (state.oomKilled) actions.push({ action: 'oom' });
        actions.push(die(state.exitCode));
      }
      if (state.health !== undefined && state.health !== 'starting' && before?.health !== state.health)
        actions.push({ action: `health_status: ${state.health}` });
      return actions;
    }
  }
}

export function containerEvent(
  record: ContainerRecord,
  action: string,
  now: number,
  attributes: Readonly<Record<string, string>> = {},
): DockerEvent {
  const image = imageOf(record);
  const node = record.pod.spec.nodeName;
  return {
    ...eventOf('container', action, record.id, now, {
      ...labelsOf(record),
      image,
      name: record.name,
      ...(node === undefined ? {} : { 'node.name': node }),
      ...attributes,
    }),
    from: image,
  };
}

export function imageEvent(name: string, action: string, now: number): DockerEvent {
  return eventOf('image', action, name, now, { name });
}

function eventOf(
  Type: DockerEvent['Type'],
  Action: string,
  ID: string,
  now: number,
  Attributes: Readonly<Record<string, string>>,
): DockerEvent {
  return {
    status: Action,
    id: ID,
    Type,
    Action,
    Actor: { ID, Attributes },
    scope: 'local',
    time: Math.floor(now / 1000),
    timeNano: now * 1e6,
  };
}

/** The last events, and those who wait for the next. */
export class EventLog {
  readonly #remembered: DockerEvent[] = [];
  readonly #listeners = new Set<(event: DockerEvent) => void>();

  add(event: DockerEvent): void {
    this.#remembered.push(event);
    if (this.#remembered.length > rememberedMax) this.#remembered.shift();
    for (const listener of this.#listeners) listener(event);
  }

  /** Events from `since` on (seconds), oldest first. */
  past(since: number): readonly DockerEvent[] {
    return this.#remembered.filter(({ timeNano }) => timeNano / 1e9 >= since);
  }

  on(listener: (event: DockerEvent) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }
}
