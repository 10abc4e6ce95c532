// Written by tools/generate-api.ts from Kubernetes v1.35's published schemas. Do not edit.
import type * as core from '../core/types.generated.ts';
import type * as object from '#machinery/object.ts';

export interface Event {
  readonly action?: string;
  readonly apiVersion?: string;
  readonly deprecatedCount?: number;
  readonly deprecatedFirstTimestamp?: string;
  readonly deprecatedLastTimestamp?: string;
  readonly deprecatedSource?: core.EventSource;
  readonly eventTime: string;
  readonly kind?: string;
  readonly metadata?: object.ObjectMeta;
  readonly note?: string;
  readonly reason?: string;
  readonly regarding?: core.ObjectReference;
  readonly related?: core.ObjectReference;
  readonly reportingController?: string;
  readonly reportingInstance?: string;
  readonly series?: EventSeries;
  readonly type?: string;
}

export interface EventList {
  readonly apiVersion?: string;
  readonly items: readonly Event[];
  readonly kind?: string;
  readonly metadata: object.ListMeta;
}

export interface EventSeries {
  readonly count: number;
  readonly lastObservedTime: string;
}
