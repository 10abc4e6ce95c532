import type { Deployment } from '#api/apps/deployment.ts';
import type { ReplicaSet } from '#api/apps/replica-set.ts';
import type { PodTemplateSpec } from '#api/core/types.generated.ts';
import { isDeepStrictEqual } from 'node:util';

/** Label that tells the pods of one ReplicaSet of a Deployment from those of another. */
export const hashLabel = 'pod-template-hash';
export const revisionAnnotation = 'deployment.kubernetes.io/revision';
const historyAnnotation = 'deployment.kubernetes.io/revision-history';
const desiredAnnotation = 'deployment.kubernetes.io/desired-replicas';
const maxAnnotation = 'deployment.kubernetes.io/max-replicas';
const historyLengthMax = 2000;

/** What a ReplicaSet has of its own and does not take over from the Deployment. */
const ownAnnotations = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  revisionAnnotation,
  historyAnnotation,
  desiredAnnotation,
  maxAnnotation,
  'deprecated.deployment.rollback.to',
]);

/** Letters and digits that make no words and look unlike each other; the alphabet of Kubernetes' generated names. */
const alphabet = 'bcdfghjklmnpqrstvwxz2456789';

/** Same text for equal templates, whatever the order of their fields. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const fields = Object.entries(value).filter(([, each]) => each !== undefined);
  return `{${fields
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, each]) => `${JSON.stringify(name)}:${canonical(each)}`)
    .join(',')}}`;
}

/**
 * A short name for a template: 32-bit FNV-1a over its canonical text and the number of collisions so far, in the
 * safe alphabet. Stable for ever: names of stored ReplicaSets hang on it.
 */
export function templateHash(template: PodTemplateSpec, collisionCount: number | undefined): string {
  let hash = 0x811c9dc5;
  const text = canonical(template) + (collisionCount === undefined ? '' : `#${collisionCount}`);
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return String(hash).replaceAll(/\d/g, (digit) => alphabet[Number(digit)] ?? '');
}

/** True if two templates ask for the same pods: the hash label is the controller's own. */
export function isSameTemplate(a: PodTemplateSpec, b: PodTemplateSpec): boolean {
  return isDeepStrictEqual(withoutHash(a), withoutHash(b));
}

function withoutHash({ metadata = {}, spec }: PodTemplateSpec): unknown {
  const { labels = {}, ...rest } = metadata;
  const { [hashLabel]: _hash, ...others } = labels;
  return { metadata: { ...rest, labels: others }, spec };
}

export function revisionOf({ metadata }: { readonly metadata?: ReplicaSet['metadata'] }): number {
  const revision = Number(metadata?.annotations?.[revisionAnnotation] ?? 0);
  return Number.isSafeInteger(revision) ? revision : 0;
}

/** The most replicas a ReplicaSet was allowed when it was last scaled; undefined if it does not say. */
export function maxReplicasOf(set: ReplicaSet): number | undefined {
  return numberIn(set, maxAnnotation);
}

/** The Deployment's replicas when the ReplicaSet was last scaled; undefined if it does not say. */
export function desiredReplicasOf(set: ReplicaSet): number | undefined {
  return numberIn(set, desiredAnnotation);
}

function numberIn({ metadata }: ReplicaSet, annotation: string): number | undefined {
  const text = metadata?.annotations?.[annotation];
  return text !== undefined && /^-?\d+$/.test(text) ? Number(text) : undefined;
}

export type Annotations = Readonly<Record<string, string>>;

/** `annotations` with what proportional scaling needs to know later. */
export function withReplicasNoted(annotations: Annotations, desired: number, max: number): Annotations {
  return { ...annotations, [desiredAnnotation]: String(desired), [maxAnnotation]: String(max) };
}

/**
 * The annotations of the newest ReplicaSet: the Deployment's own, and its revision. A ReplicaSet that becomes the
 * newest again (a rollback) gets a new revision and remembers the former ones.
 */
export function newestAnnotations(deployment: Deployment, current: Annotations, revision: number): Annotations {
  const annotations: Record<string, string> = { ...current };
  for (const [name, value] of Object.entries(deployment.metadata?.annotations ?? {})) {
    if (!ownAnnotations.has(name)) annotations[name] = value;
  }
  const former = current[revisionAnnotation];
  if (Number(former ?? 0) < revision) {
    annotations[revisionAnnotation] = String(revision);
    if (former !== undefined) annotations[historyAnnotation] = withHistory(current[historyAnnotation] ?? '', former);
  }
  return annotations;
}

/** The oldest revisions make room when the text gets too long. */
function withHistory(history: string, revision: string): string {
  const revisions = [...history.split(',').filter((each) => each !== ''), revision];
  while (revisions.length > 1 && revisions.join(',').length > historyLengthMax) revisions.shift();
  return revisions.join(',');
}
