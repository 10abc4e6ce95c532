import { mkdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { builtinKinds } from '#api/kinds.ts';
import { registryRoot } from '#apiserver/registry/layout.ts';
import type { Action } from '#apiserver/rest/router.ts';
import { writeFileAtomically } from '#lib/atomic-file.ts';
import { conflict } from '#machinery/status-error.ts';
import { ConfigurationError, configurationOf, keysMax, planOf } from '#store/encryption/configuration.ts';
import { EncryptedStore, sealingOf, type EncryptionPlan } from '#store/encryption/encrypted-store.ts';
import { checkValueOf, newKey, type KeyEncryptionKey } from '#store/encryption/key-ring.ts';
import { rewriteAll } from '#store/encryption/rewrite.ts';
import type { Key, Store } from '#store/store.ts';
import { StartError } from './data-dir.ts';

/** What is encrypted unless a configuration says otherwise. */
const defaultResources = ['secrets'];
/** Keys of an own key file that are kept for reading when a rotation is complete: history needs the one before. */
const keysKept = 2;
/**
 * Where the store remembers with which keys it was written: among the API's own keys, because a fresh read waits until
 * the change feed has seen the newest revision, but of no kind.
 */
const markerKey: Key = `${registryRoot}tutti.dev/encryption/marker`;
const statusPageMax = 500;

export const encryptionPath = '/tutti/encryption';

interface Marker {
  /** By name, what tells whether a key is still the same. */
  readonly keys: Readonly<Record<string, string>>;
  /** A new key is in use and values under older ones may be left. */
  readonly rewriting: boolean;
}

export interface EncryptionOptions {
  readonly dataDir: string;
  /** An EncryptionConfiguration of the operator's own; without one, keys are made and kept in the data directory. */
  readonly configurationFile?: string | undefined;
  /** Starts although keys are missing with which the store was written. */
  readonly abandonsLostKeys?: boolean | undefined;
  readonly signal: AbortSignal;
}

export interface EncryptionStatus {
  readonly file: string;
  /** The first is for writing, where a resource is encrypted at all. */
  readonly keys: readonly string[];
  /** True if a rotation has begun and is not complete: "tutti encryption rotate" goes on with it. */
  readonly rewriting: boolean;
  /** By prefix of the store, how many values lie in the clear, under which key, and cannot be read. */
  readonly values: readonly {
    readonly prefix: Key;
    readonly plain: number;
    readonly sealed: Readonly<Record<string, number>>;
    readonly unreadable: number;
  }[];
}

export interface Rotation {
  readonly key: string | undefined;
  readonly rewritten: number;
  readonly unreadable: readonly Key[];
}

/** Source of the names: upstream's EncryptionConfiguration, resources[].resources. */
export function prefixOf(resource: string): Key | undefined {
  if (resource === '*.*') return registryRoot;
  const dot = resource.indexOf('.');
  const [plural, group] = dot < 0 ? [resource, ''] : [resource.slice(0, dot), resource.slice(dot + 1)];
  const folder = group === '' ? 'core' : group;
  if (!/^[a-z0-9.-]+$/.test(folder)) return undefined;
  if (plural === '*') return dot < 0 ? undefined : `${registryRoot}${folder}/`;
  const kind = builtinKinds.find((each) => each.group === group && each.plural === plural);
  const stored = kind?.view?.of ?? kind;
  if (stored !== undefined) return `${registryRoot}${stored.group === '' ? 'core' : stored.group}/${stored.plural}/`;
  // A custom resource, whose definition may not be there yet.
  return group.includes('.') && /^[a-z0-9-]+$/.test(plural) ? `${registryRoot}${folder}/${plural}/` : undefined;
}

/** The encryption at rest of one store: its keys, where they are kept, and their rotation. */
export class Encryption {
  readonly store: EncryptedStore;
  readonly #file: string;
  readonly #isOwn: boolean;
  #plan: EncryptionPlan;
  #rotating = false;

  private constructor(store: EncryptedStore, file: string, isOwn: boolean, plan: EncryptionPlan) {
    this.store = store;
    this.#file = file;
    this.#isOwn = isOwn;
    this.#plan = plan;
  }

  /**
   * Puts encryption around `store`, with keys that are made on first use. Throws StartError if the configuration is
   * wrong or keys are missing that the store was written with.
   */
  static async open(store: Store, options: EncryptionOptions): Promise<Encryption> {
    const { dataDir, configurationFile, signal } = options;
    const isOwn = configurationFile === undefined;
    const file = isOwn ? path.join(dataDir, 'encryption', 'keys.json') : configurationFile;
    const marker = await readMarker(store, signal);
    const plan = isOwn
      ? await ownPlan(file, Object.keys(marker.keys).length > 0 && options.abandonsLostKeys !== true)
      : await readPlan(file);
    const lost = lostKeys(marker, plan.keys);
    if (lost.length > 0 && options.abandonsLostKeys !== true) throw lostKey(lost, file);
    const self = new Encryption(new EncryptedStore(store, plan), file, isOwn, plan);
    await self.#remember({ ...marker, keys: withoutKeys(marker.keys, lost) }, signal);
    return self;
  }

  async status(signal: AbortSignal): Promise<EncryptionStatus> {
    const marker = await readMarker(this.store.inner, signal);
    const values = [];
    for (const prefix of this.#prefixes()) values.push({ prefix, ...(await this.#count(prefix, signal)) });
    return { file: this.#file, keys: this.#plan.keys.map(({ name }) => name), rewriting: marker.rewriting, values };
  }

  /**
   * Brings every value under the newest key: one made now, or the first of the operator's configuration, which is read
   * anew. What was interrupted is gone on with, under the key that it began with. Throws Conflict if one is under way.
   */
  async rotate(signal: AbortSignal): Promise<Rotation> {
    if (this.#rotating) throw conflict({ group: '', plural: 'encryption' }, 'keys', 'a rotation is under way');
    this.#rotating = true;
    try {
      return await this.#rotate(signal);
    } finally {
      this.#rotating = false;
    }
  }

  async #rotate(signal: AbortSignal): Promise<Rotation> {
    const marker = await readMarker(this.store.inner, signal);
    if (!this.#isOwn) this.#plan = await readPlan(this.#file);
    else if (!marker.rewriting && this.#plan.keys.length < keysMax) {
      // The file comes first: a key is on disk before anything is sealed with it.
      this.#plan = await writeOwn(this.#file, [newKey(), ...this.#plan.keys]);
    }
    this.store.use(this.#plan);
    await this.#remember({ ...marker, rewriting: true }, signal);
    const { rewritten, unreadable } = await rewriteAll(this.store, this.#prefixes(), { signal });
    const written = this.#plan.rules.flatMap(({ writeKey }) => writeKey ?? []);
    if (unreadable.length === 0) {
      if (this.#isOwn) {
        this.#plan = await writeOwn(this.#file, this.#plan.keys.slice(0, keysKept));
        this.store.use(this.#plan);
      }
      await writeMarker(this.store.inner, { keys: checksOf(written), rewriting: false }, signal);
    } else await this.#remember({ ...marker, rewriting: false }, signal);
    return { key: written[0]?.name, rewritten, unreadable };
  }

  #prefixes(): readonly Key[] {
    return [...new Set(this.#plan.rules.map(({ prefix }) => prefix))].filter((prefix) => prefix !== markerKey);
  }

  /** Writes the marker if keys are in use that it does not know, or if it says something else otherwise. */
  async #remember(marker: Marker, signal: AbortSignal): Promise<void> {
    const writing = this.#plan.rules.flatMap(({ writeKey }) => writeKey ?? []);
    const next = { ...marker, keys: { ...marker.keys, ...checksOf(writing) } };
    const known = await readMarker(this.store.inner, signal);
    if (JSON.stringify(known) !== JSON.stringify(next)) await writeMarker(this.store.inner, next, signal);
  }

  async #count(prefix: Key, signal: AbortSignal) {
    let plain = 0;
    let unreadable = 0;
    let from: Key | undefined;
    const sealed: Record<string, number> = {};
    for (;;) {
      const page = await this.store.inner.list(prefix, {
        signal,
        limit: statusPageMax,
        ...(from === undefined ? {} : { from }),
      });
      for (const entry of page.entries) {
        if (entry.key === markerKey) continue;
        const sealing = sealingOf(entry.value);
        if (this.store.opened(entry).unreadable !== undefined) unreadable++;
        else if (sealing.is === 'plain') plain++;
        else sealed[sealing.key] = (sealed[sealing.key] ?? 0) + 1;
      }
      if (!page.more) return { plain, sealed, unreadable };
      from = `${page.entries.at(-1)!.key}\0`;
    }
  }
}

/** What `tutti encryption` calls. */
export function encryptionActions(encryption: Encryption): ReadonlyMap<string, Action> {
  return new Map<string, Action>([
    [`GET ${encryptionPath}`, ({ signal }) => encryption.status(signal)],
    [`POST ${encryptionPath}/rotate`, ({ signal }) => encryption.rotate(signal)],
  ]);
}

async function readMarker(store: Store, signal: AbortSignal): Promise<Marker> {
  const entry = await store.get(markerKey, { signal });
  if (entry === undefined) return { keys: {}, rewriting: false };
  return JSON.parse(new TextDecoder().decode(entry.value)) as Marker; // only writeMarker() writes there
}

async function writeMarker(store: Store, marker: Marker, signal: AbortSignal): Promise<void> {
  const value = new TextEncoder().encode(JSON.stringify(marker));
  await store.commit([{ do: 'put', key: markerKey, value }], { signal });
}

function checksOf(keys: readonly KeyEncryptionKey[]): Readonly<Record<string, string>> {
  return Object.fromEntries(keys.map((key) => [key.name, checkValueOf(key)]));
}

function withoutKeys(keys: Marker['keys'], names: readonly string[]): Marker['keys'] {
  return Object.fromEntries(Object.entries(keys).filter(([name]) => !names.includes(name)));
}

/** Names of the keys that the store was written with and that are not there, or are others by now. */
function lostKeys({ keys }: Marker, present: readonly KeyEncryptionKey[]): readonly string[] {
  const checks = checksOf(present);
  return Object.entries(keys).flatMap(([name, check]) => (checks[name] === check ? [] : [name]));
}

function lostKey(names: readonly string[], file: string): StartError {
  return new StartError(
    `The store holds values encrypted with the key ${names.map((name) => `"${name}"`).join(', ')}, which ${file} does not hold. ` +
      'Put that file back from a backup. If the key is lost, so are those values: "tutti up --abandon-lost-keys" starts without them.',
  );
}

/** The plan of the data directory's own key file, which is made if there is none and there may be none. */
async function ownPlan(file: string, mustExist: boolean): Promise<EncryptionPlan> {
  const mode = await stat(file).then(
    (found) => found.mode & 0o777,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    },
  );
  if (mode === undefined) {
    if (mustExist) {
      throw new StartError(
        `The key file ${file} is gone, and the store holds values encrypted with its keys. Put it back from a backup. ` +
          'If it is lost, so are those values: "tutti up --abandon-lost-keys" starts without them.',
      );
    }
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
    return writeOwn(file, [newKey()]);
  }
  if ((mode & 0o077) !== 0) {
    throw new StartError(
      `The key file ${file} is open to others (mode ${mode.toString(8)}). Close it with "chmod 600 ${file}".`,
    );
  }
  return readPlan(file);
}

async function writeOwn(file: string, keys: readonly KeyEncryptionKey[]): Promise<EncryptionPlan> {
  const configuration = configurationOf(defaultResources, keys);
  await writeFileAtomically(file, `${JSON.stringify(configuration, undefined, 2)}\n`);
  return planFrom(configuration);
}

/** The marker itself is never sealed, whatever is asked for. */
function planFrom(configuration: unknown): EncryptionPlan {
  const plan = planOf(configuration, prefixOf);
  return { ...plan, rules: [{ prefix: markerKey, writeKey: undefined, readsPlain: true }, ...plan.rules] };
}

async function readPlan(file: string): Promise<EncryptionPlan> {
  try {
    const text = await readFile(file, 'utf8');
    if (text.trimStart().startsWith('{')) return planFrom(JSON.parse(text));
    const { parseYaml } = await import('#machinery/yaml.ts'); // loaded by those alone who write their own
    return planFrom(parseYaml(Buffer.from(text)).value);
  } catch (error) {
    // The parser's own message could quote a part of a key.
    const why = error instanceof ConfigurationError || (error as NodeJS.ErrnoException).code !== undefined;
    throw new StartError(
      `The encryption configuration ${file} cannot be used: ${why ? (error as Error).message : 'it is no well-formed JSON or YAML'}.`,
      why ? error : undefined,
    );
  }
}
