import { scoreMax, type ScorePlugin } from '../plugin.ts';

/**
 * Swarm's `spread`: the fewer pods of the same service a node has, the better; ties go to the node with the fewest pods
 * (`Profile.tieBreak`). Requests do not count. A pod without a service finds all nodes equal.
 */
export const serviceSpreadScore: ScorePlugin<string> = {
  name: 'Spread',
  reads: 'use',
  normalize: 'none',
  preScore: ({ service }) => service,
  score(service, { occupants }) {
    let tasks = 0;
    for (const { signature, counts, terminating } of occupants) {
      if (counts && !terminating && signature.demand.service === service) tasks++;
    }
    return scoreMax - Math.min(scoreMax, tasks);
  },
};
