/**
 * Lets admission have a second look: when a plugin that runs late has changed the object, all plugins see the result
 * once more. Plugins that may only run once keep what they have done in `state()`.
 * Source: k8s.io/apiserver/pkg/admission (reinvocation.go).
 */
export class Reinvocation {
  #isSecond = false;
  #isWanted = false;
  readonly #states = new Map<string, unknown>();

  /** True in the second of two passes; there is no third. */
  get isSecond(): boolean {
    return this.#isSecond;
  }

  get isWanted(): boolean {
    return this.#isWanted && !this.#isSecond;
  }

  want(): void {
    this.#isWanted = true;
  }

  begin(): void {
    this.#isSecond = true;
  }

  /** What a plugin remembers from the first pass to the second. */
  state<T>(plugin: string, initial: () => T): T {
    let found = this.#states.get(plugin) as T | undefined; // put there by the very same plugin
    if (found === undefined) this.#states.set(plugin, (found = initial()));
    return found;
  }
}
