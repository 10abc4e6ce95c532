import type { BindingSpec } from '#api/admissionregistration/binding-rules.ts';
import type { MatchResources, ParamKind } from '#api/admissionregistration/types.generated.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import type { Registry } from '../../registry/registry.ts';
import { matchingOf, type Matching } from './matching.ts';

export interface PolicyObject extends ApiObject {
  readonly spec: {
    readonly paramKind?: ParamKind;
    readonly matchConstraints?: MatchResources;
    readonly failurePolicy?: string;
  };
}
export interface BindingObject extends ApiObject {
  readonly spec: BindingSpec;
}

/** A policy that is bound, and its bindings in the order of their names. */
export interface Hook<P extends PolicyObject, B extends BindingObject> {
  readonly policy: P;
  readonly name: string;
  readonly matching: Matching;
  readonly bindings: readonly BoundTo<B>[];
}

export interface BoundTo<B extends BindingObject> {
  readonly binding: B;
  readonly name: string;
  /** Undefined where the policy's own constraints are all there is. */
  readonly matching: Matching | undefined;
}

/**
 * The policies of one kind that are in force, out of the server's caches. Its list is the same one until a policy or a
 * binding changes, so that what is made of a policy can be kept beside it.
 */
export class PolicyIndex<P extends PolicyObject, B extends BindingObject> {
  readonly #registry: Registry;
  readonly #kinds: { readonly policies: Kind<P>; readonly bindings: Kind<B> };
  #asOf = '';
  #hooks: readonly Hook<P, B>[] = [];

  constructor(registry: Registry, kinds: { readonly policies: Kind<P>; readonly bindings: Kind<B> }) {
    this.#registry = registry;
    this.#kinds = kinds;
  }

  /** In the order of the policies' names. Reads nothing from the store but once, when it is first asked. */
  async hooks(signal: AbortSignal): Promise<readonly Hook<P, B>[]> {
    const policies = this.#registry.of(this.#kinds.policies).cache;
    const bindings = this.#registry.of(this.#kinds.bindings).cache;
    if (!policies.isReady) await policies.load(signal);
    if (!bindings.isReady) await bindings.load(signal);
    const asOf = `${policies.fills}:${policies.lastChanged} ${bindings.fills}:${bindings.lastChanged}`;
    if (asOf === this.#asOf) return this.#hooks;
    const bound = new Map<string, BoundTo<B>[]>();
    bindings.scan(undefined, undefined, ({ object, name }) => {
      const { policyName = '', matchResources } = object.spec;
      const matching = matchResources === undefined ? undefined : matchingOf(matchResources);
      const list = bound.get(policyName);
      if (list === undefined) bound.set(policyName, [{ binding: object, name, matching }]);
      else list.push({ binding: object, name, matching });
      return true;
    });
    const hooks: Hook<P, B>[] = [];
    policies.scan(undefined, undefined, ({ object, name }) => {
      const its = bound.get(name);
      if (its !== undefined) {
        hooks.push({ policy: object, name, matching: matchingOf(object.spec.matchConstraints ?? {}), bindings: its });
      }
      return true;
    });
    this.#asOf = asOf;
    this.#hooks = hooks;
    return hooks;
  }
}
