import { DomainTuples } from '../domain-tally.ts';
import { imageName } from '../node-images.ts';
import type { NodeTable } from '../node-table.ts';
import type { NodeView } from '../node-view.ts';
import { scoreMax, type DomainPlugin, type DomainPreference, type DomainState } from '../plugin.ts';
import type { Signature } from '../signature.ts';

const megabyte = 1024 * 1024;
/** Less than this counts for nothing, and more than the other, a container, for no more. */
const bytesMin = 23 * megabyte;
const bytesMaxEach = 1000 * megabyte;

/**
 * Nodes that hold the images of the pod's containers already are better, by their size and by how many nodes have them:
 * an image that few have is not to gather all its pods there. All nodes with the same of these images are one domain.
 * Source: k8s.io/kubernetes/pkg/scheduler/framework/plugins/imagelocality.
 */
export const imageLocality: DomainPlugin = {
  name: 'ImageLocality',
  concerns: ({ demand }, { images }) => demand.images.map((image) => images.has(imageName(image))).includes(true),
  mayRefuse: () => false,
  prepare: (signature, table) => new Locality(signature, table),
};

class Locality implements DomainState {
  readonly preference: DomainPreference;
  readonly #table: NodeTable;
  readonly #images: readonly string[];
  /** Sizes of the images, 0 for one that is not there. */
  readonly #held = new DomainTuples();

  constructor({ demand }: Signature, table: NodeTable) {
    this.#table = table;
    this.#images = demand.images.map(imageName);
    this.preference = { score: (domain) => this.#score(this.#held.at(domain)), normalize: (raw) => raw };
  }

  [Symbol.dispose](): void {
    // It follows nothing.
  }

  domainOf({ row }: NodeView): number {
    return this.#held.id(this.#images.map((name) => this.#table.images.holders(name).get(row) ?? 0));
  }

  admits(): boolean {
    return true;
  }

  refusals(): readonly [] {
    return [];
  }

  #score(sizes: readonly number[]): number {
    const { images, nodeCount } = this.#table;
    const sum = sizes.reduce((bytes, size, index) => {
      if (size === 0) return bytes;
      const share = images.holders(this.#images[index] ?? '').size / nodeCount;
      return bytes + Math.trunc(size * share);
    }, 0);
    const most = bytesMaxEach * sizes.length;
    const counted = Math.min(most, Math.max(bytesMin, sum));
    return Math.floor((scoreMax * (counted - bytesMin)) / (most - bytesMin));
  }
}
