import type { MessagePort } from 'node:worker_threads';
import type { Pod } from '#api/core/pod.ts';
import type { PluginNode, SchedulerPlugin } from './scheduler-plugin.ts';

/** What the thread of a plugin starts with. */
export interface PluginWorkerData {
  /** A file URL. */
  readonly module: string;
  readonly args: unknown;
  /** Where it is asked questions that somebody waits for with the thread of the server. */
  readonly questions: MessagePort;
  /** Its first number becomes 1 once the answer is there. */
  readonly answered: SharedArrayBuffer;
}

export const callPoints = ['reserve', 'unreserve', 'permit', 'bind'] as const;
export type CallPoint = (typeof callPoints)[number];
export type PluginPoint = 'filter' | 'score' | CallPoint;

export type AskedNode = Pick<PluginNode, 'used' | 'pods'> & {
  /** Names the node in this thread from now on. */
  readonly row: number;
  /** Absent if it is as it was. */
  readonly node?: Omit<PluginNode, 'used' | 'pods'>;
};

export interface Question {
  readonly pod: Pod;
  readonly nodes: readonly AskedNode[];
  readonly filter: boolean;
  readonly score: boolean;
}

export type Verdict =
  | { readonly fits: true; readonly score: number }
  | { readonly fits: false; readonly reason: string }
  /** It threw, or said something that means nothing. */
  | { readonly fits: false; readonly failure: string };

export interface Answer {
  readonly verdicts: readonly Verdict[];
  /** Milliseconds in each. */
  readonly took: { readonly filter: number; readonly score: number };
}

export interface CallMessage {
  readonly do: CallPoint;
  readonly id: number;
  readonly pod: Pod;
  readonly nodeName: string;
}

export type ToPlugin =
  | CallMessage
  | { readonly do: 'abort'; readonly id: number; readonly reason: string }
  /** What became of a binding. */
  | { readonly do: 'bound'; readonly id: number; readonly error?: string };

export type FromPlugin =
  | { readonly is: 'loaded'; readonly points: readonly PluginPoint[]; readonly reads: SchedulerPlugin['reads'] }
  | { readonly is: 'unusable'; readonly why: string }
  /** The call has returned, and may have to be waited for. */
  | { readonly is: 'begun'; readonly id: number }
  | { readonly is: 'settled'; readonly id: number; readonly error?: string }
  | { readonly is: 'binding'; readonly id: number; readonly annotations: Readonly<Record<string, string>> };
