import type { FilterPlugin } from '../plugin.ts';

/** Pods that demand what no plugin decides fit nowhere, and the reason names the field: waiting is better than a wrong place. */
export const undecidable = {
  name: 'Undecidable',
  reads: 'node',
  preFilter: ({ undecidable: fields }) => (fields.length === 0 ? undefined : fields),
  filter: () => false,
  refusals: (fields) =>
    fields.map((field) => ({
      plugin: 'Undecidable',
      reason: `node(s) cannot be judged: scheduling by ${field} is not supported`,
      curable: false,
    })),
} satisfies FilterPlugin<readonly string[]>;
