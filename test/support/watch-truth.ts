/**
 * What must be true of watches, whatever happens to the server meanwhile: every watcher is told every change, once and
 * in the order of versions, and what it has been told adds up to what lists say. Watchers follow ConfigMaps of one
 * namespace from their last version, again after every cut; writers change objects of their own at a given pace and
 * write down what was acknowledged. The first watcher to hear of an event writes it down for all: what others hear must
 * be the very same bytes, so that each event is looked at once however many watch.
 */
import assert from 'node:assert/strict';
import { connect, type ClientHttp2Session } from 'node:http2';
import { Agent, request } from 'node:https';
import type { Readable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import { loadKubeconfig } from '#client/kubeconfig.ts';

export interface TruthOptions {
  readonly kubeconfig: string;
  readonly namespace: string;
  readonly watchers: number;
  readonly writesPerSecond: number;
}

type Kind = 'ADDED' | 'MODIFIED' | 'DELETED';
interface Write {
  readonly type: Kind;
  readonly seq: string;
  readonly version: string | undefined;
  /** False if the connection broke before an answer: it may have happened or not. */
  readonly acknowledged: boolean;
}
export interface Told {
  readonly type: Kind;
  readonly name: string;
  readonly seq: string;
  readonly version: number;
}

const namesPerWriter = 8;
const writers = 32;
const sessionsMax = 10;
const retryMs = 50;
const answerMsMax = 10_000;
/** Every so many watchers one comes over HTTP/1.1. */
const http1Every = 10;

interface Credentials {
  readonly url: string;
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string };
}

/** HTTP/2 connections that are made anew once they break. */
class Connections {
  readonly #credentials: Credentials;
  readonly #sessions: (ClientHttp2Session | undefined)[];

  constructor(credentials: Credentials, count: number) {
    this.#credentials = credentials;
    this.#sessions = Array.from({ length: count });
  }

  get(index: number): ClientHttp2Session {
    const at = index % this.#sessions.length;
    const known = this.#sessions[at];
    if (known !== undefined && !known.destroyed && !known.closed) return known;
    const session = connect(this.#credentials.url, this.#credentials.tls);
    session.setMaxListeners(0);
    session.on('error', () => undefined);
    this.#sessions[at] = session;
    return session;
  }

  close(): void {
    for (const session of this.#sessions) session?.destroy();
  }
}

export class WatchTruth implements Disposable {
  readonly #options: TruthOptions;
  readonly #credentials: Credentials;
  readonly #watching: Connections;
  readonly #writing: Connections;
  readonly #agent: Agent;
  /** Lines as they came, without what ends them, and what each says. */
  readonly #lines: Buffer[] = [];
  readonly told: Told[] = [];
  readonly #history = new Map<string, Write[]>();
  /** How many events each watcher has been told. */
  readonly #positions: number[];
  readonly #problems: string[] = [];
  readonly #stop = new AbortController();
  #loops: Promise<unknown> = Promise.resolve();
  #writingStopped = new AbortController();
  #start = '0';

  private constructor(options: TruthOptions, credentials: Credentials) {
    this.#options = options;
    this.#credentials = credentials;
    this.#watching = new Connections(credentials, sessionsMax);
    this.#writing = new Connections(credentials, 4);
    this.#agent = new Agent({ keepAlive: true, ...credentials.tls });
    this.#positions = Array.from({ length: options.watchers }, () => 0);
  }

  static async open(options: TruthOptions): Promise<WatchTruth> {
    const { server } = await loadKubeconfig([options.kubeconfig]);
    const { url, ca, cert, key } = server;
    const tls = {
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    };
    return new WatchTruth(options, { url, tls });
  }

  /** Events that all watchers together have been told. */
  get delivered(): number {
    return this.#positions.reduce((sum, each) => sum + each, 0);
  }
  get problems(): readonly string[] {
    return this.#problems;
  }

  async begin(): Promise<void> {
    const list = (await this.#ask('GET', this.#url)).body as { metadata: { resourceVersion: string } };
    this.#start = list.metadata.resourceVersion;
    const loops = this.#positions.map((_, index) => this.#watch(index));
    let turn = 0;
    const start = performance.now();
    const due = () => start + (turn++ / this.#options.writesPerSecond) * 1000;
    for (let index = 0; index < writers; index++) loops.push(this.#write(index, due));
    this.#loops = Promise.all(loops);
    this.#loops.catch((error: unknown) => this.#problem(String(error)));
  }

  /** Ends the writing, waits until every watcher has been told of everything, and ends the watches. */
  async finish(withinMs: number): Promise<void> {
    this.#writingStopped.abort();
    const end = performance.now() + withinMs;
    const version = await this.#mark();
    const last = () => this.told.findIndex((each) => String(each.version) === version) + 1;
    while (last() === 0 || this.#positions.some((position) => position < last())) {
      if (performance.now() > end || this.#problems.length > 0) break;
      await setTimeout(retryMs);
    }
    this.#stop.abort();
    this[Symbol.dispose]();
    await this.#loops;
    const behind = this.#positions.filter((position) => position !== this.told.length).length;
    if (behind > 0) this.#problem(`${behind} watchers were not told everything`);
  }

  /** Holds what watchers were told against what writers know. */
  checkHistory(): { readonly writes: number; readonly unanswered: number } {
    let last = 0;
    const perName = new Map<string, Told[]>();
    const present = new Set<string>();
    for (const event of this.told) {
      if (event.version <= last) this.#problem(`version ${event.version} comes after ${last}`);
      last = event.version;
      if (present.has(event.name) !== (event.type !== 'ADDED')) this.#problem(`${event.type} ${event.name} at ${last}`);
      if (event.type === 'DELETED') present.delete(event.name);
      else present.add(event.name);
      const events = perName.get(event.name) ?? [];
      events.push(event);
      perName.set(event.name, events);
    }
    let writes = 0;
    let unanswered = 0;
    for (const [name, history] of this.#history) {
      const events = perName.get(name) ?? [];
      let next = 0;
      for (const write of history) {
        writes++;
        if (!write.acknowledged) unanswered++;
        const event = events[next];
        const isSame = event !== undefined && event.type === write.type && event.seq === write.seq;
        if (isSame) next++;
        else if (write.acknowledged) this.#problem(`nobody was told that ${name} was ${write.type} (${write.seq})`);
        if (isSame && write.version !== undefined && write.version !== String(event.version)) {
          this.#problem(`${name} was written as ${write.version} and told as ${event.version}`);
        }
      }
      if (next < events.length) this.#problem(`${events.length - next} events of ${name} that nobody wrote`);
    }
    return { writes, unanswered };
  }

  /** The list at a version must be what was told up to it. Throws if not. */
  async checkList(version: number): Promise<void> {
    const state = new Map<string, number>();
    for (const event of this.told) {
      if (event.version > version) break;
      if (event.type === 'DELETED') state.delete(event.name);
      else state.set(event.name, event.version);
    }
    const { body } = await this.#ask('GET', `${this.#url}?resourceVersion=${version}&resourceVersionMatch=Exact`);
    const { items, metadata } = body as {
      metadata: { resourceVersion: string };
      items: { metadata: { name: string; resourceVersion: string } }[];
    };
    assert.equal(metadata.resourceVersion, String(version));
    const listed = items
      .filter((item) => item.metadata.name.startsWith('t-'))
      .map((item) => [item.metadata.name, Number(item.metadata.resourceVersion)]);
    const replayed = [...state].filter(([name]) => name.startsWith('t-')).toSorted(([a], [b]) => (a < b ? -1 : 1));
    assert.deepEqual(listed, replayed, `at version ${version}`);
  }

  [Symbol.dispose](): void {
    this.#watching.close();
    this.#agent.destroy();
  }

  close(): void {
    this.#writing.close();
  }

  get #url(): string {
    return `/api/v1/namespaces/${this.#options.namespace}/configmaps`;
  }

  #problem(text: string): void {
    if (this.#problems.length < 20) this.#problems.push(text);
  }

  async #watch(index: number): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted && this.#problems.length === 0) {
      const position = this.#positions[index]!;
      const version = position === 0 ? this.#start : String(this.told[position - 1]!.version);
      try {
        const path = `${this.#url}?watch=1&resourceVersion=${version}`;
        const stream = await (index % http1Every === 0 ? this.#http1(path) : this.#http2(path, index));
        await this.#read(index, stream, version);
      } catch {
        await setTimeout(retryMs);
      }
    }
  }

  #http1(path: string): Promise<Readable> {
    return new Promise((resolve, reject) => {
      const call = request(new URL(path, this.#credentials.url), { agent: this.#agent });
      call.on('error', reject);
      call.on('response', (response) =>
        response.statusCode === 200 ? resolve(response) : reject(this.#refused(path, response.statusCode)),
      );
      call.end();
    });
  }

  #http2(path: string, index: number): Promise<Readable> {
    return new Promise((resolve, reject) => {
      const stream = this.#watching.get(index).request({ ':path': path });
      stream.on('error', reject);
      stream.on('close', () => reject(new Error('closed')));
      stream.on('response', ({ ':status': status }) =>
        status === 200 ? resolve(stream) : reject(this.#refused(path, status)),
      );
    });
  }

  #refused(path: string, status: number | undefined): Error {
    if (status === 410 || (status ?? 0) < 300) this.#problem(`${path} was answered with ${status}`);
    return new Error(`answered with ${status}`);
  }

  /** Takes events until the stream ends, however it ends. */
  #read(index: number, stream: Readable, from: string): Promise<void> {
    let pending: Buffer | undefined;
    stream.on('data', (chunk: Buffer) => {
      let bytes = pending === undefined ? chunk : Buffer.concat([pending, chunk]);
      for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10)) {
        this.#tell(index, bytes.subarray(0, end), from);
        bytes = bytes.subarray(end + 1);
      }
      pending = bytes.length === 0 ? undefined : bytes;
    });
    return new Promise((resolve) => {
      stream.on('error', () => resolve());
      stream.on('close', () => resolve());
      // It may have ended between its head and this turn: then nobody says so any more.
      if (stream.destroyed) resolve();
    });
  }

  #tell(index: number, line: Buffer, from: string): void {
    const position = this.#positions[index]!;
    const known = this.#lines[position];
    if (known === undefined) {
      const { type, object } = JSON.parse(line.toString()) as {
        type: Kind;
        object: { metadata: { name: string; resourceVersion: string }; data?: { seq?: string } };
      };
      if (type !== 'ADDED' && type !== 'MODIFIED' && type !== 'DELETED') {
        return this.#problem(`watcher ${index}, from ${from}: ${line.toString().slice(0, 300)}`);
      }
      this.#lines.push(Buffer.from(line));
      const { name, resourceVersion } = object.metadata;
      this.told.push({ type, name, seq: object.data?.seq ?? '', version: Number(resourceVersion) });
    } else if (!known.equals(line)) {
      const [expected, got] = [known.toString().slice(0, 200), line.toString().slice(0, 200)];
      return this.#problem(`watcher ${index}, from ${from}, event ${position}: ${got} instead of ${expected}`);
    }
    this.#positions[index] = position + 1;
  }

  async #write(index: number, due: () => number): Promise<void> {
    const { signal } = this.#writingStopped;
    const exists = new Set<string>();
    const seqs = new Map<string, string>();
    let seq = 0;
    for (let turn = 0; !signal.aborted; turn++) {
      const wait = due() - performance.now();
      if (wait > 0) await setTimeout(wait);
      const name = `t-${index}-${turn % namesPerWriter}`;
      const fate = turn % 5;
      const type: Kind = !exists.has(name) ? 'ADDED' : fate === 4 ? 'DELETED' : 'MODIFIED';
      // A deletion shows what was there last.
      const value = type === 'DELETED' ? seqs.get(name)! : String(seq++);
      const history = this.#history.get(name) ?? [];
      this.#history.set(name, history);
      try {
        const { status, body } = await this.#ask(...this.#callOf(type, name, value), index);
        assert.ok(status < 300, `${type} ${name}: ${status} ${JSON.stringify(body)}`);
        const version = (body as { metadata?: { resourceVersion?: string } }).metadata?.resourceVersion;
        history.push({ type, seq: value, version: type === 'DELETED' ? undefined : version, acknowledged: true });
        if (type === 'DELETED') exists.delete(name);
        else exists.add(name);
        seqs.set(name, value);
      } catch (error) {
        if (error instanceof assert.AssertionError && !/: 5\d\d /.test(error.message)) this.#problem(error.message);
        history.push({ type, seq: value, version: undefined, acknowledged: false });
        const now = await this.#stateOf(name, index);
        if (now === undefined) exists.delete(name);
        else {
          exists.add(name);
          seqs.set(name, now);
        }
      }
    }
  }

  #callOf(type: Kind, name: string, seq: string): readonly [string, string, string | undefined] {
    const body = JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { seq } });
    if (type === 'ADDED') return ['POST', this.#url, body];
    return type === 'MODIFIED' ? ['PUT', `${this.#url}/${name}`, body] : ['DELETE', `${this.#url}/${name}`, undefined];
  }

  /** What is there once the server answers again; undefined if nothing is. */
  async #stateOf(name: string, index: number): Promise<string | undefined> {
    for (;;) {
      try {
        const { status, body } = await this.#ask('GET', `${this.#url}/${name}`, undefined, index);
        if (status === 404) return undefined;
        if (status === 200) return (body as { data: { seq: string } }).data.seq;
      } catch {
        // it is down
      }
      await setTimeout(retryMs);
    }
  }

  /** Writes one last object, and returns its version. */
  async #mark(): Promise<string> {
    for (let attempt = 0; ; attempt++) {
      try {
        const { body } = await this.#ask(...this.#callOf('ADDED', `end-${attempt}`, 'end'));
        return (body as { metadata: { resourceVersion: string } }).metadata.resourceVersion;
      } catch (error) {
        if (attempt > 100) throw error;
        await setTimeout(retryMs);
      }
    }
  }

  #ask(method: string, path: string, body?: string, index = 0): Promise<{ status: number; body: unknown }> {
    return new Promise((resolve, reject) => {
      const stream = this.#writing
        .get(index)
        .request(
          { ':method': method, ':path': path, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
          { endStream: body === undefined, signal: AbortSignal.timeout(answerMsMax) },
        );
      let status = 0;
      let text = '';
      stream.setEncoding('utf8');
      stream.on('response', (headers) => (status = headers[':status'] ?? 0));
      stream.on('data', (chunk: string) => (text += chunk));
      stream.on('end', () => {
        try {
          resolve({ status, body: JSON.parse(text) as unknown });
        } catch (error) {
          reject(error);
        }
      });
      stream.on('error', reject);
      stream.on('close', () => reject(new Error('closed before the answer')));
      if (body !== undefined) stream.end(body);
    });
  }
}
