import { expired, type StatusError } from '#machinery/status-error.ts';
import type { ApiObject } from '#machinery/object.ts';
import type { Revision } from '#store/store.ts';
import type { Selection } from '../registry/selection.ts';
import type { StoredObject } from '../registry/stored-object.ts';
import { WatchRecord, type CacheEvent } from './cache-event.ts';
import type { EventLog } from './event-log.ts';

/** Says up to where the watcher has heard everything; `initial` closes the events of `sendInitialEvents`. */
export interface Bookmark {
  readonly type: 'BOOKMARK';
  readonly resourceVersion: string;
  readonly initial: boolean;
}

/** `k8s.io/initial-events-end` is how `sendInitialEvents` says that the state is complete. */
export function bookmarkMetadata(resourceVersion: string, initial: boolean) {
  return { resourceVersion, ...(initial ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {}) };
}

export interface WatcherOptions<T extends ApiObject> {
  readonly namespace: string | undefined;
  readonly selection: Selection<T>;
  /** State to present as ADDED before anything else, and the revision it is of. */
  readonly initial?: {
    readonly items: readonly StoredObject<T>[];
    readonly revision: Revision;
    readonly bookmark: boolean;
  };
  /** Events from before the log, to be told first. */
  readonly past?: readonly CacheEvent<T>[];
  /** Position in the log to start at; undefined starts with the next event. */
  readonly position: number | undefined;
  readonly allowBookmarks: boolean;
  /** What is told instead of each record; called once a record and watcher. */
  present?(this: void, record: WatchRecord<T>): WatchRecord<T>;
}

/** What an open watch is to whoever reads it. */
export interface WatchStream<T extends ApiObject = ApiObject> extends Disposable {
  /** Why the server ended the watch; the reason goes to the client as an ERROR event. */
  readonly ended: StatusError | undefined;
  /** Sets who is told when `take()` has something; tells at once if there is something already. */
  onReady(fn: () => void): void;
  /** Up to `max` records in order; empty means "nothing now, `onReady` will say when". */
  take(max: number): readonly (WatchRecord<T> | Bookmark)[];
}

/** What a watcher needs of its cache. */
export interface WatchSource<T extends ApiObject> {
  readonly log: EventLog<T>;
  readonly revision: Revision;
  forget(watcher: Watcher<T>): void;
}

/**
 * One open watch. It has no queue of its own but a position in the kind's event log, so that a thousand watchers
 * cost a thousand positions; one that is too slow is overrun by the log's bounds and ended. The owner is told
 * through `onReady` when `take()` has something, and takes at its own pace.
 */
export class Watcher<T extends ApiObject = ApiObject> implements WatchStream<T> {
  readonly #source: WatchSource<T>;
  readonly #options: WatcherOptions<T>;
  #initialNext = 0;
  #initialOpen: boolean;
  #pastNext = 0;
  #position: number | undefined;
  #bookmarkDue = false;
  #signalled = false;
  #ended: StatusError | undefined;
  #onReady: () => void = () => undefined;

  constructor(source: WatchSource<T>, options: WatcherOptions<T>) {
    this.#source = source;
    this.#options = options;
    this.#position = options.position;
    this.#initialOpen = options.initial !== undefined;
  }

  get namespace(): string | undefined {
    return this.#options.namespace;
  }
  get selection(): Selection<T> {
    return this.#options.selection;
  }
  get allowsBookmarks(): boolean {
    return this.#options.allowBookmarks;
  }
  /** Why the server ended the watch; the reason goes to the client as an ERROR event. */
  get ended(): StatusError | undefined {
    return this.#ended;
  }

  /** Sets who is told; tells at once if there is something already. */
  onReady(fn: () => void): void {
    this.#onReady = fn;
    this.#signalled = false; // events may have come before anybody listened
    const has = this.#initialOpen || this.#pastLeft() || this.#position !== undefined;
    if (has || this.#bookmarkDue || this.#ended !== undefined) this.#signal();
  }

  /** The event at `position` may concern this watcher. */
  wake(position: number): void {
    this.#position ??= position;
    this.#signal();
  }

  /** Asks for a bookmark after what is still to be told. */
  bookmark(): void {
    if (!this.#options.allowBookmarks) return;
    this.#bookmarkDue = true;
    this.#signal();
  }

  end(reason: StatusError): void {
    this.#ended ??= reason;
    this.#signal();
  }

  /** Up to `max` records in order; empty means "nothing now, `onReady` will say when". */
  take(max: number): readonly (WatchRecord<T> | Bookmark)[] {
    this.#signalled = false;
    if (this.#ended !== undefined) return [];
    const records: (WatchRecord<T> | Bookmark)[] = [];
    this.#takeInitial(records, max);
    this.#takePast(records, max);
    if (records.length < max && !this.#initialOpen && !this.#pastLeft()) this.#takeLive(records, max);
    return records;
  }

  [Symbol.dispose](): void {
    this.#source.forget(this);
    this.#onReady = () => undefined;
  }

  #signal(): void {
    if (this.#signalled) return;
    this.#signalled = true;
    this.#onReady();
  }

  #takeInitial(records: (WatchRecord<T> | Bookmark)[], max: number): void {
    const { initial, selection } = this.#options;
    if (!this.#initialOpen || initial === undefined) return;
    while (this.#initialNext < initial.items.length) {
      if (records.length >= max) return;
      const item = initial.items[this.#initialNext++]!;
      if (selection.all || selection.matches(item.object)) records.push(this.#present(new WatchRecord('ADDED', item)));
    }
    this.#initialOpen = false;
    if (initial.bookmark) {
      records.push({ type: 'BOOKMARK', resourceVersion: String(initial.revision), initial: true });
    }
  }

  #pastLeft(): boolean {
    return this.#pastNext < (this.#options.past?.length ?? 0);
  }

  #takePast(records: (WatchRecord<T> | Bookmark)[], max: number): void {
    while (this.#pastLeft() && records.length < max) {
      this.#push(records, this.#options.past![this.#pastNext++]!);
    }
  }

  #takeLive(records: (WatchRecord<T> | Bookmark)[], max: number): void {
    const { log } = this.#source;
    while (this.#position !== undefined && records.length < max) {
      if (this.#position < log.first) {
        this.#ended = expired(
          `too old resource version: the watch has fallen behind the ${log.end - log.first} events that are kept`,
        );
        return;
      }
      const event = log.at(this.#position);
      if (event === undefined) {
        this.#position = undefined;
        break;
      }
      this.#position++;
      this.#push(records, event);
    }
    if (this.#bookmarkDue && this.#position === undefined && records.length < max) {
      this.#bookmarkDue = false;
      records.push({ type: 'BOOKMARK', resourceVersion: String(this.#source.revision), initial: false });
    }
  }

  #push(records: (WatchRecord<T> | Bookmark)[], event: CacheEvent<T>): void {
    const { namespace, selection } = this.#options;
    if (namespace !== undefined && event.subject.namespace !== namespace) return;
    const record = event.recordFor(selection);
    if (record !== undefined) records.push(this.#present(record));
  }

  #present(record: WatchRecord<T>): WatchRecord<T> {
    return this.#options.present?.(record) ?? record;
  }
}
