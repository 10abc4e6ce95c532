import { createHash } from 'node:crypto';

/**
 * The `handSize` different queues out of `queues` that a flow is dealt: always the same for one flow, and such that two
 * flows seldom share all of them. Source of the dealing: k8s.io/apiserver/pkg/util/shufflesharding.
 */
export function deal(flow: string, queues: number, handSize: number): readonly number[] {
  let value = createHash('sha256').update(flow).digest().readBigUInt64BE();
  const hand: number[] = [];
  for (let left = queues; hand.length < handSize && left > 0; left--) {
    let card = Number(value % BigInt(left));
    value /= BigInt(left);
    // Cards that are gone already are stepped over.
    for (const gone of hand.toSorted((a, b) => a - b)) if (gone <= card) card++;
    hand.push(card);
  }
  return hand;
}
