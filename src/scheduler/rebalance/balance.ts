import type { Node } from '#api/core/node.ts';
import type { Pod } from '#api/core/pod.ts';
import { amountOf, podRequests } from '../requests.ts';

const measured = ['cpu', 'memory'] as const;

interface Load {
  readonly node: Node;
  readonly allocatable: ReadonlyMap<string, number>;
  readonly used: Map<string, number>;
  readonly pods: Map<string, Pod>;
}

/** Pods that hold room on their node. */
export const holdsRoom = ({ spec, status }: Pod): boolean =>
  spec.nodeName !== undefined && status?.phase !== 'Succeeded' && status?.phase !== 'Failed';

/** How full nodes are by what their pods request; moves are tried on it before they are made. */
export class Balance {
  readonly #loads = new Map<string, Load>();

  constructor(nodes: readonly Node[], pods: readonly Pod[]) {
    for (const node of nodes) {
      const allocatable = new Map(
        measured.map((resource) => [resource, amountOf(resource, node.status?.allocatable?.[resource] ?? 0)] as const),
      );
      this.#loads.set(node.metadata?.name ?? '', { node, allocatable, used: new Map(), pods: new Map() });
    }
    for (const pod of pods) if (holdsRoom(pod)) this.#add(pod.spec.nodeName ?? '', pod);
  }

  get nodes(): readonly Node[] {
    return [...this.#loads.values()].map(({ node }) => node);
  }

  node(name: string): Node | undefined {
    return this.#loads.get(name)?.node;
  }

  podsOn(name: string): readonly Pod[] {
    return [...(this.#loads.get(name)?.pods.values() ?? [])];
  }

  /** The fuller of cpu and memory, 0 to 1 and above where nodes are overcommitted; `with` and `without` are pods to count in or out. */
  fullness(name: string, change: { readonly with?: Pod; readonly without?: Pod } = {}): number {
    const load = this.#loads.get(name);
    if (load === undefined) return 1;
    const [more, less] = [change.with, change.without].map((pod) => (pod === undefined ? undefined : podRequests(pod)));
    return Math.max(
      ...measured.map((resource) => {
        const room = load.allocatable.get(resource) ?? 0;
        const used = (load.used.get(resource) ?? 0) + (more?.get(resource) ?? 0) - (less?.get(resource) ?? 0);
        return room === 0 ? 0 : used / room;
      }),
    );
  }

  move(pod: Pod, to: string): void {
    const from = this.#loads.get(pod.spec.nodeName ?? '');
    from?.pods.delete(pod.metadata?.uid ?? '');
    if (from !== undefined) this.#count(from, pod, -1);
    this.#add(to, pod);
  }

  #add(name: string, pod: Pod): void {
    const load = this.#loads.get(name);
    if (load === undefined) return;
    load.pods.set(pod.metadata?.uid ?? '', pod);
    this.#count(load, pod, 1);
  }

  #count({ used }: Load, pod: Pod, sign: 1 | -1): void {
    const requests = podRequests(pod);
    for (const resource of measured)
      used.set(resource, (used.get(resource) ?? 0) + sign * (requests.get(resource) ?? 0));
  }
}
