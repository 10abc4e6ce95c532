import type { MutatingWebhook, ValidatingWebhook } from '#api/admissionregistration/types.generated.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import type { Registry } from '../../registry/registry.ts';
import { matchingOf, type Matching } from '../policies/matching.ts';

export type Webhook = ValidatingWebhook & Pick<MutatingWebhook, 'reinvocationPolicy'>;

/** One webhook of one configuration. */
export interface Hook {
  readonly configuration: string;
  readonly webhook: Webhook;
  readonly matching: Matching;
  /** Of no other hook: names of webhooks may repeat across configurations. */
  readonly key: string;
}

interface Configuration extends ApiObject {
  readonly webhooks?: readonly Webhook[];
}

/**
 * The webhooks of one kind of configuration, out of the server's cache. Its list is the same one until a configuration
 * changes, so that what is made of a webhook can be kept beside it.
 */
export class WebhookIndex {
  readonly #registry: Registry;
  readonly #kind: Kind<Configuration>;
  #asOf = '';
  #hooks: readonly Hook[] = [];

  constructor(registry: Registry, kind: Kind<Configuration>) {
    this.#registry = registry;
    this.#kind = kind;
  }

  /** By the names of the configurations, then in their order. Reads the store but once, when it is first asked. */
  async hooks(signal: AbortSignal): Promise<readonly Hook[]> {
    const { cache } = this.#registry.of(this.#kind);
    if (!cache.isReady) await cache.load(signal);
    const asOf = `${cache.fills}:${cache.lastChanged}`;
    if (asOf === this.#asOf) return this.#hooks;
    const hooks: Hook[] = [];
    cache.scan(undefined, undefined, ({ object, name }) => {
      for (const [index, webhook] of (object.webhooks ?? []).entries()) {
        const { rules = [], matchPolicy = 'Equivalent', namespaceSelector = {}, objectSelector = {} } = webhook;
        if (rules.length === 0) continue; // it is asked about nothing
        const matching = matchingOf({ resourceRules: rules, matchPolicy, namespaceSelector, objectSelector });
        hooks.push({ configuration: name, webhook, matching, key: `${name}/${index}/${webhook.name}` });
      }
      return true;
    });
    this.#asOf = asOf;
    this.#hooks = hooks;
    return hooks;
  }
}
