type Labels = Readonly<Record<string, string>>;

const noLabels: Labels = {};

/**
 * The labels of namespaces, for affinity terms with a `namespaceSelector`. It remembers whether anybody has asked since
 * the last change: in a cluster without such terms no change of a namespace matters.
 */
export class NamespaceLabels {
  readonly #labels = new Map<string, Labels>();
  #consulted = false;

  /** Takes over the labels of a namespace. True if answers given before are no longer true. */
  set(name: string, labels: Labels = noLabels): boolean {
    const before = this.#labels.get(name);
    this.#labels.set(name, labels);
    if (before !== undefined && JSON.stringify(before) === JSON.stringify(labels)) return false;
    return this.#changed();
  }

  /** The same for one that is gone. */
  remove(name: string): boolean {
    return this.#labels.delete(name) && this.#changed();
  }

  /** A namespace that is not known has none. */
  of(name: string): Labels {
    this.#consulted = true;
    return this.#labels.get(name) ?? noLabels;
  }

  #changed(): boolean {
    const consulted = this.#consulted;
    this.#consulted = false;
    return consulted;
  }
}
