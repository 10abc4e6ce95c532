import { formatJson } from '#machinery/json.ts';
import { randomUUID } from 'node:crypto';
import type { UserInfo } from '#client/client.ts';
import type { Clock } from '#lib/clock.ts';
import { redacted, redactText } from '#lib/redact.ts';
import type { StatusError } from '#machinery/status-error.ts';
import type { AuditEntry } from '../request.ts';
import {
  microTime,
  type AuditEvent,
  type Level,
  type ObjectReference,
  type ResponseStatus,
  type Stage,
} from './event.ts';
import type { AuditedRequest, Policy, Verdict } from './policy.ts';

/** Bytes of one event, above which it goes without the objects it holds. Source: kube-apiserver's truncation, smaller. */
export const eventBytesMax = 1024 * 1024;
const annotationsMax = 64;
/** Resources whose bodies hold secrets, or may. */
const secretBodies: ReadonlySet<string> = new Set(['secrets', 'configmaps', 'tokenreviews', 'serviceaccounts']);
const auditIdPattern = /^[\w.:-]{1,64}$/;

/** Where events go. `line` is the event as JSON; a backend never throws, and counts what it could not keep. */
export interface AuditBackend extends AsyncDisposable {
  write(line: string): void;
  readonly errors: number;
}

export interface AuditorOptions {
  readonly policy: Policy;
  readonly backends: readonly AuditBackend[];
  readonly clock: Clock;
  /** Whether the cluster's own parts are audited, too, which come to the API inside its process. */
  readonly internal?: boolean;
}

export interface AuditStart extends AuditedRequest {
  readonly auditId: string;
  readonly uri: string;
  readonly sourceIPs: readonly string[];
  readonly userAgent: string;
}

/** The id a client has given its request, if it is one, and else a new one. */
export function auditIdOf(header: string | readonly string[] | undefined): string {
  return typeof header === 'string' && auditIdPattern.test(header) ? header : randomUUID();
}

/** Decides by policy which requests leave events, and hands these to its backends. */
export class Auditor implements AsyncDisposable {
  readonly internal: boolean;
  readonly #policy: Policy;
  readonly #backends: readonly AuditBackend[];
  readonly #clock: Clock;
  #events = 0;

  constructor({ policy, backends, clock, internal = false }: AuditorOptions) {
    this.#policy = policy;
    this.#backends = backends;
    this.#clock = clock;
    this.internal = internal;
  }

  get events(): number {
    return this.#events;
  }

  get errors(): number {
    return this.#backends.reduce((sum, { errors }) => sum + errors, 0);
  }

  /** Undefined if the request leaves no event. Whoever gets a trail must end it. */
  begin(start: AuditStart): AuditTrail | undefined {
    const verdict = this.#policy.verdictOn(start);
    if (verdict.level === 'None') return undefined;
    const trail = new AuditTrail(start, verdict, this.#clock, (event) => this.#emit(event));
    trail.reach('RequestReceived');
    return trail;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#backends.map((backend) => backend[Symbol.asyncDispose]()));
  }

  #emit(event: AuditEvent): void {
    this.#events++;
    const line = lineOf(event);
    for (const backend of this.#backends) backend.write(line);
  }
}

function lineOf(event: AuditEvent): string {
  const line = formatJson(event);
  if (line.length <= eventBytesMax) return line;
  const { requestObject: _request, responseObject: _response, ...rest } = event;
  return JSON.stringify({ ...rest, annotations: { ...rest.annotations, 'audit.k8s.io/truncated': 'true' } });
}

/** The events of one request, from its head to its end. */
export class AuditTrail implements AuditEntry {
  readonly #start: AuditStart;
  readonly #verdict: Verdict;
  readonly #clock: Clock;
  readonly #received: number;
  readonly #emit: (event: AuditEvent) => void;
  #annotations: Record<string, string> | undefined;
  #impersonated: UserInfo | undefined;
  #object: ObjectReference | undefined;
  #request: unknown;
  #response: unknown;
  #ended = false;

  constructor(start: AuditStart, verdict: Verdict, clock: Clock, emit: (event: AuditEvent) => void) {
    this.#start = start;
    this.#verdict = verdict;
    this.#clock = clock;
    this.#received = clock.now();
    this.#emit = emit;
    this.#object = referenceOf(start.resource);
  }

  get level(): Level {
    return this.#verdict.level;
  }

  annotate(key: string, value: string): void {
    this.#annotations ??= {};
    if (key in this.#annotations || Object.keys(this.#annotations).length < annotationsMax)
      this.#annotations[key] = value;
  }

  impersonates(user: UserInfo): void {
    this.#impersonated = user;
  }

  request(value: unknown): void {
    const metadata = metadataOf(value);
    if (this.#object !== undefined && metadata !== undefined) this.#object = completed(this.#object, metadata);
    if (this.level === 'Request' || this.level === 'RequestResponse') this.#request = this.#shown(value);
  }

  response(value: () => unknown): void {
    if (this.level === 'RequestResponse') this.#response = this.#shown(value());
  }

  started(code: number): void {
    this.reach('ResponseStarted', { metadata: {}, code });
  }

  /** What became of a request that never got as far as its caller's name. */
  refused(code: number, message: string): void {
    this.#ended = true;
    this.reach('ResponseStarted', { metadata: {}, status: 'Failure', reason: 'Unauthorized', message, code });
  }

  /** Ends it, once: with what was answered, or with an error that nobody has foreseen. */
  end(outcome: { readonly code: number; readonly error?: StatusError | undefined; readonly panicked?: boolean }): void {
    if (this.#ended) return;
    this.#ended = true;
    const { code, error, panicked = false } = outcome;
    const status = error?.toStatus();
    this.reach(
      panicked ? 'Panic' : 'ResponseComplete',
      status === undefined
        ? { metadata: {}, code }
        : {
            metadata: {},
            status: status.status,
            ...(status.message === undefined ? {} : { message: this.#saidOf(status.message) }),
            ...(status.reason === undefined ? {} : { reason: status.reason }),
            code,
          },
    );
  }

  reach(stage: Stage, responseStatus?: ResponseStatus): void {
    if (this.#verdict.omitStages.has(stage)) return;
    const { auditId, uri, verb, user, sourceIPs, userAgent } = this.#start;
    const isEnd = stage === 'ResponseComplete' || stage === 'Panic';
    this.#emit({
      kind: 'Event',
      apiVersion: 'audit.k8s.io/v1',
      level: this.level,
      auditID: auditId,
      stage,
      requestURI: redactText(uri),
      verb,
      user: shownUser(user),
      ...(this.#impersonated === undefined ? {} : { impersonatedUser: shownUser(this.#impersonated) }),
      ...(sourceIPs.length === 0 ? {} : { sourceIPs }),
      ...(userAgent === '' ? {} : { userAgent }),
      ...(this.#object === undefined ? {} : { objectRef: this.#object }),
      ...(responseStatus === undefined ? {} : { responseStatus }),
      ...(this.#request === undefined || !isEnd ? {} : { requestObject: this.#request }),
      ...(this.#response === undefined || !isEnd ? {} : { responseObject: this.#response }),
      requestReceivedTimestamp: microTime(this.#received),
      stageTimestamp: microTime(this.#clock.now()),
      ...(this.#annotations === undefined ? {} : { annotations: this.#annotations }),
    });
  }

  /** A refusal may quote what it refuses; below the levels that hold bodies, nothing of a secret one is repeated. */
  #saidOf(message: string): string {
    const isQuiet = this.level === 'Metadata' && secretBodies.has(this.#start.resource?.plural ?? '');
    return isQuiet ? message.replaceAll(/: .*$/gs, `: ${redacted}`) : redactText(message);
  }

  #shown(value: unknown): unknown {
    return this.#verdict.omitManagedFields ? withoutManagedFields(value) : value;
  }
}

/** What a caller is known by; what proves it stays out of the log. */
function shownUser({ username, uid, groups, extra }: UserInfo): UserInfo {
  return { username, ...(uid === undefined ? {} : { uid }), groups, ...(extra === undefined ? {} : { extra }) };
}

function referenceOf(resource: AuditedRequest['resource']): ObjectReference | undefined {
  if (resource === undefined) return undefined;
  const { group, version, plural, subresource, namespace, name } = resource;
  return {
    resource: plural,
    ...(namespace === undefined ? {} : { namespace }),
    ...(name === undefined ? {} : { name }),
    ...(group === '' ? {} : { apiGroup: group }),
    apiVersion: version,
    ...(subresource === undefined ? {} : { subresource }),
  };
}

type Metadata = Readonly<Record<'name' | 'namespace' | 'uid' | 'resourceVersion', unknown>>;

function metadataOf(value: unknown): Metadata | undefined {
  if (typeof value !== 'object' || value === null || !('metadata' in value)) return undefined;
  return typeof value.metadata === 'object' && value.metadata !== null ? (value.metadata as Metadata) : undefined;
}

/** What the path did not say of the object, its body may. */
function completed(reference: ObjectReference, metadata: Metadata): ObjectReference {
  const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined);
  const name = reference.name ?? text(metadata.name);
  const namespace = reference.namespace ?? text(metadata.namespace);
  const uid = reference.uid ?? text(metadata.uid);
  const resourceVersion = reference.resourceVersion ?? text(metadata.resourceVersion);
  return {
    ...reference,
    ...(name === undefined ? {} : { name }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
}

function withoutManagedFields(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if ('items' in value && Array.isArray(value.items)) return { ...value, items: value.items.map(withoutManagedFields) };
  if (!('metadata' in value) || typeof value.metadata !== 'object' || value.metadata === null) return value;
  if (!('managedFields' in value.metadata)) return value;
  const { managedFields: _, ...metadata } = value.metadata;
  return { ...value, metadata };
}
