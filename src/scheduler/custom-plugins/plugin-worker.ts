/** The thread of one scheduler plugin: loads its module and passes questions and calls on to it. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Pod } from '#api/core/pod.ts';
import {
  callPoints,
  type Answer,
  type AskedNode,
  type CallMessage,
  type FromPlugin,
  type PluginWorkerData,
  type Question,
  type ToPlugin,
  type Verdict,
} from './plugin-protocol.ts';
import type { PluginNode, SchedulerPlugin } from './scheduler-plugin.ts';

const { module, args, questions, answered } = workerData as PluginWorkerData;
const flag = new Int32Array(answered);
const reasonLengthMax = 200;

const tell = (message: FromPlugin) => parentPort?.postMessage(message);
const said = (error: unknown) => oneLine(error instanceof Error ? `${error.name}: ${error.message}` : String(error));
const oneLine = (text: string) => text.replaceAll(/\s+/g, ' ').trim().slice(0, reasonLengthMax);

function shown(value: unknown): string {
  if (value instanceof Promise) return 'a promise';
  if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`;
  return oneLine(typeof value === 'string' ? JSON.stringify(value) : String(value));
}

/** Throws what is wrong with the module. */
async function load(): Promise<SchedulerPlugin> {
  const { default: exported } = (await import(module)) as { readonly default?: unknown };
  if (exported === undefined) throw new Error('it has no default export');
  const plugin: unknown = typeof exported === 'function' ? await exported(args) : exported;
  if (typeof plugin !== 'object' || plugin === null) {
    throw new Error(`its default export must be a plugin, or a function that returns one; it is ${shown(plugin)}`);
  }
  // Looked up, not taken apart: methods of a class are no properties of its objects.
  const parts = plugin as Readonly<Record<string, unknown>>;
  const { reads = 'node' } = parts;
  if (reads !== 'node' && reads !== 'use') throw new Error(`reads must be "node" or "use"; it is ${shown(reads)}`);
  for (const point of ['filter', 'score', ...callPoints]) {
    if (parts[point] !== undefined && typeof parts[point] !== 'function') {
      throw new Error(`${point} must be a function; it is ${shown(parts[point])}`);
    }
  }
  return plugin;
}

/** What is known of nodes, by row: only what changed is sent again. */
const nodes = new Map<number, Omit<PluginNode, 'used' | 'pods'>>();

function nodeOf({ row, node, used, pods }: AskedNode): PluginNode {
  if (node !== undefined) {
    for (const part of [node.labels, node.allocatable, node.taints]) Object.freeze(part);
    nodes.set(row, node);
  }
  const known = nodes.get(row);
  if (known === undefined) throw new Error(`node ${row} was never told of`);
  return { ...known, ...(used === undefined ? {} : { used }), ...(pods === undefined ? {} : { pods }) };
}

function answer(plugin: SchedulerPlugin, { pod, nodes: asked, ...wanted }: Question): Answer {
  const took = { filter: 0, score: 0 };
  const verdicts = asked.map((each): Verdict => {
    const node = nodeOf(each);
    if (wanted.filter) {
      const start = performance.now();
      const refusal = filter(plugin, pod, node);
      took.filter += performance.now() - start;
      if (refusal !== undefined) return refusal;
    }
    if (!wanted.score) return { fits: true, score: 0 };
    const start = performance.now();
    const verdict = score(plugin, pod, node);
    took.score += performance.now() - start;
    return verdict;
  });
  return { verdicts, took };
}

function filter(plugin: SchedulerPlugin, pod: Pod, node: PluginNode): Verdict | undefined {
  try {
    const says: unknown = plugin.filter?.(pod, node);
    if (says === true) return undefined;
    if (typeof says === 'string' && says.trim() !== '') return { fits: false, reason: oneLine(says) };
    return { fits: false, failure: `filter says ${shown(says)}; it must say true, or in a text why not` };
  } catch (error) {
    return { fits: false, failure: `filter: ${said(error)}` };
  }
}

function score(plugin: SchedulerPlugin, pod: Pod, node: PluginNode): Verdict {
  try {
    const says: unknown = plugin.score?.(pod, node);
    if (typeof says === 'number' && says >= 0 && says <= 100) return { fits: true, score: Math.floor(says) };
    return { fits: false, failure: `score says ${shown(says)}; it must be a number from 0 to 100` };
  } catch (error) {
    return { fits: false, failure: `score: ${said(error)}` };
  }
}

const calls = new Map<number, AbortController>();
const bindings = new Map<number, PromiseWithResolvers<void>>();

/** Never rejects. */
async function call(plugin: SchedulerPlugin, message: CallMessage): Promise<void> {
  const { do: point, id, pod, nodeName } = message;
  const abort = new AbortController();
  calls.set(id, abort);
  const bind = (annotations: Readonly<Record<string, string>> = {}) => {
    const bound = Promise.withResolvers<void>();
    bindings.set(id, bound);
    tell({ is: 'binding', id, annotations });
    return bound.promise;
  };
  try {
    const settled: unknown = plugin[point]?.(pod, nodeName, { signal: abort.signal, bind });
    tell({ is: 'begun', id });
    await settled;
    tell({ is: 'settled', id });
  } catch (error) {
    tell({ is: 'settled', id, error: said(error) });
  }
  calls.delete(id);
  bindings.delete(id);
}

try {
  const plugin = await load();
  const points = (['filter', 'score', ...callPoints] as const).filter((point) => plugin[point] !== undefined);
  questions.on('message', (question: Question) => {
    questions.postMessage(answer(plugin, question));
    Atomics.store(flag, 0, 1);
    Atomics.notify(flag, 0);
  });
  parentPort?.on('message', (message: ToPlugin) => {
    if (message.do === 'abort') calls.get(message.id)?.abort(new Error(message.reason));
    else if (message.do !== 'bound') void call(plugin, message);
    else if (message.error === undefined) bindings.get(message.id)?.resolve();
    else bindings.get(message.id)?.reject(new Error(message.error));
  });
  tell({ is: 'loaded', points, reads: plugin.reads });
} catch (error) {
  tell({ is: 'unusable', why: said(error) });
}
