import type { DomainPlugin, DomainState } from '../plugin.ts';

/** Stands for the nodes that the plugin would have refused outright: it gives them no preference. */
const nowhere = -2;

/** The same plugin with its preferences alone: it refuses no node. */
export function withoutFilter(plugin: DomainPlugin): DomainPlugin {
  return {
    name: plugin.name,
    concerns: (signature, table) => plugin.concerns(signature, table),
    mayRefuse: () => false,
    isAffectedBy: (arrived, signature, table) => plugin.isAffectedBy?.(arrived, signature, table) ?? false,
    prepare(signature, table): DomainState {
      const state = plugin.prepare(signature, table);
      const { preference } = state;
      return {
        followsUse: state.followsUse === true,
        domainOf(node) {
          const domain = state.domainOf(node);
          return domain === -1 ? nowhere : domain;
        },
        admits: () => true,
        refusals: () => [],
        ...(preference === undefined
          ? {}
          : {
              preference: {
                begin: (domains, nodes) => preference.begin?.(domains, nodes),
                score: (domain) => (domain === nowhere ? Number.NaN : preference.score(domain)),
                normalize: (raw, lowest, highest) => preference.normalize(raw, lowest, highest),
              },
            }),
        [Symbol.dispose]: () => state[Symbol.dispose](),
      };
    },
  };
}
