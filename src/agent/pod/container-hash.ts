import { createHash } from 'node:crypto';
import type * as core from '#api/core/types.generated.ts';

/**
 * Names the part of a container's spec that may change under a running pod and needs a new instance: the image.
 * Everything else is immutable, or read by the agent itself (probes), or applied in place (resources).
 */
export function containerHash({ name, image = '' }: Pick<core.Container, 'name' | 'image'>): string {
  return createHash('sha256').update(`${name}\0${image}`).digest('hex').slice(0, 16);
}
