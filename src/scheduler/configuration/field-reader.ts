import { forbidden, invalid, notSupported, required, typeInvalid, type FieldError } from '#machinery/field-error.ts';

type Value = Readonly<Record<string, unknown>>;

/**
 * Reads the fields of one object of a configuration file strictly: what has the wrong type or is out of bounds, and
 * whatever nobody has asked for by `done()`, becomes an error that names its path. Null is absence.
 */
export class FieldReader {
  readonly path: string;
  readonly #value: Value;
  readonly #errors: FieldError[];
  readonly #asked = new Set<string>();

  constructor(value: unknown, path: string, errors: FieldError[]) {
    this.path = path;
    this.#errors = errors;
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    if (!isObject && value !== undefined && value !== null) {
      errors.push(typeInvalid(path === '' ? 'the file' : path, value, 'must be an object'));
    }
    this.#value = isObject ? (value as Value) : {};
  }

  at(name: string): string {
    return this.path === '' ? name : `${this.path}.${name}`;
  }

  refuse(...errors: readonly FieldError[]): void {
    this.#errors.push(...errors);
  }

  /** Undefined if absent. */
  any(name: string): unknown {
    this.#asked.add(name);
    return Object.hasOwn(this.#value, name) ? (this.#value[name] ?? undefined) : undefined;
  }

  text(name: string, options: { readonly choices?: readonly string[]; readonly required?: true } = {}) {
    const value = this.any(name);
    if (value === undefined || value === '') {
      if (options.required === true) this.refuse(required(this.at(name)));
      return undefined;
    }
    if (typeof value !== 'string') {
      this.refuse(typeInvalid(this.at(name), value, 'must be a text'));
      return undefined;
    }
    if (options.choices?.includes(value) === false) {
      this.refuse(notSupported(this.at(name), value, options.choices));
      return undefined;
    }
    return value;
  }

  /** A whole number within bounds, both included. */
  whole(
    name: string,
    { min, max = 2 ** 31 - 1, hint }: { readonly min: number; readonly max?: number; readonly hint?: string },
  ): number | undefined {
    const value = this.any(name);
    if (value === undefined) return undefined;
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
    const written = typeof value === 'bigint' ? Number(value) : value;
    this.refuse(
      invalid(
        this.at(name),
        written,
        `must be a whole number from ${min} to ${max}${hint === undefined ? '' : `; ${hint}`}`,
      ),
    );
    return undefined;
  }

  flag(name: string): boolean | undefined {
    const value = this.any(name);
    if (value === undefined || typeof value === 'boolean') return value;
    this.refuse(typeInvalid(this.at(name), value, 'must be true or false'));
    return undefined;
  }

  object(name: string): FieldReader | undefined {
    const value = this.any(name);
    return value === undefined ? undefined : new FieldReader(value, this.at(name), this.#errors);
  }

  objects(name: string): readonly FieldReader[] {
    return this.#list(name).map((each, index) => new FieldReader(each, `${this.at(name)}[${index}]`, this.#errors));
  }

  texts(name: string): readonly string[] {
    return this.#list(name).flatMap((each, index) => {
      if (typeof each === 'string') return each;
      this.refuse(typeInvalid(`${this.at(name)}[${index}]`, each, 'must be a text'));
      return [];
    });
  }

  /** Refuses the fields that nobody has asked for: a setting that nobody reads would be one that nobody follows. */
  done(): void {
    for (const name of Object.keys(this.#value)) {
      if (this.#asked.has(name)) continue;
      const known = [...this.#asked].toSorted().join(', ');
      this.refuse(forbidden(this.at(name), `unknown field; known here are ${known}`));
    }
  }

  #list(name: string): readonly unknown[] {
    const value = this.any(name);
    if (value === undefined) return [];
    if (Array.isArray(value)) return value;
    this.refuse(typeInvalid(this.at(name), value, 'must be a list'));
    return [];
  }
}
