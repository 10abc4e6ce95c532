/**
 * Counters, gauges and histograms in Prometheus' text format. Whoever counts keeps the series it counts in, so that
 * counting is an addition; text is made a few lines at a time, so that a scrape never holds up what it measures.
 */

/** Series of one family; what comes beyond is counted under `other`. */
const seriesMax = 5_000;
/** Lines made between two looks at the event loop. */
const linesAtOnce = 500;

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  lines(): Iterable<string>;
}

const escaped = (value: string) => value.replaceAll(/[\\"\n]/g, (each) => (each === '\n' ? '\\n' : `\\${each}`));

function labelsOf(names: readonly string[], values: readonly string[]): string {
  return names.map((name, index) => `${name}="${escaped(values[index] ?? '')}"`).join(',');
}

/** The series of one family, by the values of their labels. */
class Series<S> {
  readonly #labels: readonly string[];
  readonly #make: () => S;
  readonly #all = new Map<string, S>();

  constructor(labels: readonly string[], make: () => S) {
    this.#labels = labels;
    this.#make = make;
  }

  of(values: readonly string[]): S {
    const key = labelsOf(this.#labels, values);
    const known = this.#all.get(key);
    if (known !== undefined) return known;
    const bounded =
      this.#all.size < seriesMax
        ? key
        : labelsOf(
            this.#labels,
            this.#labels.map(() => 'other'),
          );
    const made = this.#all.get(bounded) ?? this.#make();
    this.#all.set(bounded, made);
    return made;
  }

  clear(): void {
    this.#all.clear();
  }

  [Symbol.iterator](): IterableIterator<[string, S]> {
    return this.#all.entries();
  }
}

export interface Value {
  value: number;
}

/** A counter or a gauge, by labels. */
export class Values implements Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  readonly #series: Series<Value>;
  readonly #collect: ((self: Values) => void) | undefined;

  /** `collect` sets everything anew whenever somebody looks. */
  constructor(
    type: 'counter' | 'gauge',
    name: string,
    help: string,
    labels: readonly string[],
    collect?: (self: Values) => void,
  ) {
    this.type = type;
    this.name = name;
    this.help = help;
    this.#series = new Series(labels, () => ({ value: 0 }));
    this.#collect = collect;
  }

  of(...values: readonly string[]): Value {
    return this.#series.of(values);
  }

  *lines(): Iterable<string> {
    if (this.#collect !== undefined) {
      this.#series.clear();
      this.#collect(this);
    }
    for (const [labels, { value }] of this.#series) {
      yield `${this.name}${labels === '' ? '' : `{${labels}}`} ${value}\n`;
    }
  }
}

/** What one series of a histogram has seen. */
export class Distribution {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = bounds.map(() => 0);
    this.#counts.push(0);
  }

  observe(value: number): void {
    let index = 0;
    while (index < this.#bounds.length && value > this.#bounds[index]!) index++;
    this.#counts[index]!++;
    this.#sum += value;
  }

  *lines(name: string, labels: string): Iterable<string> {
    const lead = labels === '' ? '' : `${labels},`;
    let count = 0;
    for (const [index, bound] of this.#bounds.entries()) {
      count += this.#counts[index]!;
      yield `${name}_bucket{${lead}le="${bound}"} ${count}\n`;
    }
    count += this.#counts.at(-1)!;
    yield `${name}_bucket{${lead}le="+Inf"} ${count}\n`;
    const own = labels === '' ? '' : `{${labels}}`;
    yield `${name}_sum${own} ${this.#sum}\n`;
    yield `${name}_count${own} ${count}\n`;
  }
}

export class Distributions implements Family {
  readonly name: string;
  readonly help: string;
  readonly type = 'histogram';
  readonly #series: Series<Distribution>;

  constructor(name: string, help: string, labels: readonly string[], bounds: readonly number[]) {
    this.name = name;
    this.help = help;
    this.#series = new Series(labels, () => new Distribution(bounds));
  }

  of(...values: readonly string[]): Distribution {
    return this.#series.of(values);
  }

  *lines(): Iterable<string> {
    for (const [labels, distribution] of this.#series) yield* distribution.lines(this.name, labels);
  }
}

/** All families of a process. */
export class Metrics {
  readonly #families: Family[] = [];

  add<F extends Family>(family: F): F {
    this.#families.push(family);
    return family;
  }

  counter(name: string, help: string, labels: readonly string[] = []): Values {
    return this.add(new Values('counter', name, help, labels));
  }

  gauge(name: string, help: string, labels: readonly string[] = [], collect?: (self: Values) => void): Values {
    return this.add(new Values('gauge', name, help, labels, collect));
  }

  histogram(name: string, help: string, labels: readonly string[], bounds: readonly number[]): Distributions {
    return this.add(new Distributions(name, help, labels, bounds));
  }

  /** In Prometheus' text format; others run in between. */
  async text(): Promise<string> {
    const parts: string[] = [];
    let lines = 0;
    for (const family of this.#families) {
      parts.push(`# HELP ${family.name} ${family.help}\n# TYPE ${family.name} ${family.type}\n`);
      for (const line of family.lines()) {
        parts.push(line);
        if (++lines % linesAtOnce === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    }
    return parts.join('');
  }
}
