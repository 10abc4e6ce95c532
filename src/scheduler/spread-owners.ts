import type { Pod } from '#api/core/pod.ts';
import type { LabelSelectorSource } from '#machinery/labels.ts';
import type { ObjectMeta } from '#machinery/object.ts';

type Labels = Readonly<Record<string, string>>;

/** A ReplicaSet, StatefulSet or ReplicationController, as far as it is looked at. */
interface Controller {
  readonly metadata?: ObjectMeta;
  readonly spec?: { readonly selector?: LabelSelectorSource | Labels };
}

interface Service {
  readonly metadata?: ObjectMeta;
  readonly spec?: { readonly selector?: Labels };
}

interface Chosen {
  readonly pair: string;
  readonly selector: Labels;
}

/**
 * Finds whom a pod belongs with: the pods of its Services and of the ReplicaSet, StatefulSet or ReplicationController
 * that controls it. It is to be spread among them unless it says otherwise.
 * Source: k8s.io/kubernetes/pkg/scheduler/framework/plugins/helper (DefaultSelector).
 */
export class SpreadOwners {
  /** Rises whenever another answer may be given than before. */
  version = 0;
  /** Namespace → one `key=value` of a Service's selector → name → the whole of it. */
  readonly #byPair = new Map<string, Map<string, Map<string, Labels>>>();
  readonly #services = new Map<string, Chosen>();
  /** `Kind/namespace/name` → selector. */
  readonly #controllers = new Map<string, { readonly text: string; readonly selector: LabelSelectorSource }>();

  putService({ metadata, spec }: Service): void {
    const { namespace = '', name = '' } = metadata ?? {};
    const selector = spec?.selector ?? {};
    const known = this.#services.get(`${namespace}/${name}`);
    if (known !== undefined && JSON.stringify(known.selector) === JSON.stringify(selector)) return;
    this.removeService(namespace, name);
    const [first] = Object.entries(selector);
    if (first === undefined) return;
    const pair = first.join('=');
    this.#services.set(`${namespace}/${name}`, { pair, selector });
    let pairs = this.#byPair.get(namespace);
    if (pairs === undefined) this.#byPair.set(namespace, (pairs = new Map()));
    let services = pairs.get(pair);
    if (services === undefined) pairs.set(pair, (services = new Map()));
    services.set(name, selector);
    this.version++;
  }

  removeService(namespace: string, name: string): void {
    const known = this.#services.get(`${namespace}/${name}`);
    if (known === undefined) return;
    this.#services.delete(`${namespace}/${name}`);
    const pairs = this.#byPair.get(namespace);
    const services = pairs?.get(known.pair);
    services?.delete(name);
    if (services?.size === 0) pairs?.delete(known.pair);
    if (pairs?.size === 0) this.#byPair.delete(namespace);
    this.version++;
  }

  putController(kind: string, { metadata, spec }: Controller): void {
    const key = `${kind}/${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`;
    const selector = selectorOfController(kind, spec?.selector);
    const text = JSON.stringify(selector);
    if (this.#controllers.get(key)?.text === text) return;
    this.#controllers.set(key, { text, selector });
    this.version++;
  }

  removeController(kind: string, namespace: string, name: string): void {
    if (this.#controllers.delete(`${kind}/${namespace}/${name}`)) this.version++;
  }

  /** Selects the pods that `pod` belongs with; undefined if it belongs with none. */
  selectorFor({ metadata }: Pod): LabelSelectorSource | undefined {
    const { namespace = '', labels = {}, ownerReferences = [] } = metadata ?? {};
    const owner = ownerReferences.find(({ controller }) => controller === true);
    const own =
      owner === undefined ? undefined : this.#controllerOf(namespace, owner.apiVersion, owner.kind, owner.name);
    const merged: Record<string, string> = {};
    const pairs = this.#byPair.get(namespace);
    if (pairs !== undefined) {
      for (const [key, value] of Object.entries(labels)) {
        for (const selector of pairs.get(`${key}=${value}`)?.values() ?? []) {
          if (Object.entries(selector).every(([wanted, is]) => labels[wanted] === is)) Object.assign(merged, selector);
        }
      }
    }
    const matchLabels = { ...merged, ...own?.matchLabels };
    const matchExpressions = own?.matchExpressions ?? [];
    if (Object.keys(matchLabels).length + matchExpressions.length === 0) return undefined;
    return matchExpressions.length === 0 ? { matchLabels } : { matchLabels, matchExpressions };
  }

  #controllerOf(namespace: string, apiVersion: string, kind: string, name: string): LabelSelectorSource | undefined {
    if (groups[kind] !== apiVersion) return undefined;
    return this.#controllers.get(`${kind}/${namespace}/${name}`)?.selector;
  }
}

/** Controllers whose pods are spread. */
const groups: Readonly<Record<string, string>> = {
  ReplicaSet: 'apps/v1',
  StatefulSet: 'apps/v1',
  ReplicationController: 'v1',
};

/** That of a ReplicationController is plain labels. */
function selectorOfController(kind: string, selector: LabelSelectorSource | Labels = {}): LabelSelectorSource {
  // By its kind it has one form or the other.
  return kind === 'ReplicationController' ? { matchLabels: selector as Labels } : selector;
}
