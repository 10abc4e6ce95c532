/**
 * An order of service: higher priority first; among equals the namespaces take turns, so that one with 50,000 pods
 * does not make another wait; within a namespace first come, first served. Constant time a step.
 */
export class ActivePods<T> {
  readonly #levels = new Map<number, Level<T>>();
  /** Priorities that have items, highest first. */
  #priorities: number[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(item: T, priority: number, namespace: string): void {
    let level = this.#levels.get(priority);
    if (level === undefined) {
      level = { lines: new Map(), turns: [], next: 0 };
      this.#levels.set(priority, level);
      this.#priorities = [...this.#priorities, priority].toSorted((a, b) => b - a);
    }
    let line = level.lines.get(namespace);
    if (line === undefined) {
      line = new Set();
      level.lines.set(namespace, line);
      level.turns.push(namespace);
    }
    if (!line.has(item)) this.#size++;
    line.add(item);
  }

  remove(item: T, priority: number, namespace: string): void {
    const level = this.#levels.get(priority);
    const line = level?.lines.get(namespace);
    if (level === undefined || line === undefined || !line.delete(item)) return;
    this.#size--;
    if (line.size === 0) this.#endLine(priority, level, namespace);
  }

  /** Takes the next one out. */
  take(): T | undefined {
    const [priority] = this.#priorities;
    const level = priority === undefined ? undefined : this.#levels.get(priority);
    if (priority === undefined || level === undefined) return undefined;
    if (level.next >= level.turns.length) level.next = 0;
    const namespace = level.turns[level.next] ?? '';
    const line = level.lines.get(namespace);
    const first = line?.values().next();
    if (line === undefined || first === undefined || first.done === true) return undefined;
    line.delete(first.value);
    this.#size--;
    if (line.size === 0) this.#endLine(priority, level, namespace);
    else level.next++;
    return first.value;
  }

  #endLine(priority: number, level: Level<T>, namespace: string): void {
    level.lines.delete(namespace);
    const at = level.turns.indexOf(namespace);
    level.turns.splice(at, 1);
    if (at < level.next) level.next--;
    if (level.turns.length > 0) return;
    this.#levels.delete(priority);
    this.#priorities = this.#priorities.filter((other) => other !== priority);
  }
}

interface Level<T> {
  /** Namespace → its items in order of arrival. A Set keeps that order and lets any item leave. */
  readonly lines: Map<string, Set<T>>;
  readonly turns: string[];
  next: number;
}
