import type { Registry } from '../registry/registry.ts';
import type { Authorizer } from './authorizer.ts';
import { NodeGraph } from './node/node-graph.ts';
import { nodeAuthorizer } from './node/node-authorizer.ts';
import { nodeRules } from './policy/cluster-roles.ts';
import { tuttiNodeRules } from './policy/tutti-roles.ts';
import { RbacIndex } from './rbac/rbac-index.ts';
import { rbacAuthorizer } from './rbac/rbac-authorizer.ts';
import type { RuleSource } from './rules.ts';
import { privilegedAuthorizer, unionAuthorizer } from './union.ts';

/** How long a refusal waits until the index knows the newest state. */
const freshMsMax = 1_000;

/** Who may do what in one server: the way to ask, and what the answers come from. */
export interface Access {
  readonly authorizer: Authorizer;
  /** Rights that are stored: whoever grants some must have them here. */
  readonly rules: RuleSource;
  /** What `SelfSubjectRulesReview` tells. */
  readonly reviewed: readonly RuleSource[];
  readonly index: RbacIndex;
}

/** Authorization as every server has it, over the roles and bindings that are stored. */
export function accessOver(registry: Registry, signal: AbortSignal): Access {
  const index = new RbacIndex(registry);
  const fresh = () => registry.feed.fresh({ signal, withinMs: freshMsMax });
  const rbac = rbacAuthorizer({ index, fresh, signal });
  const nodes = nodeAuthorizer({
    graph: new NodeGraph(registry),
    rules: [...nodeRules, ...tuttiNodeRules],
    fresh,
    signal,
  });
  return {
    authorizer: unionAuthorizer(privilegedAuthorizer, nodes, rbac),
    rules: rbac,
    reviewed: [nodes, rbac],
    index,
  };
}
