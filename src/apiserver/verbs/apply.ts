import { formatJson, parseExact } from '#machinery/json.ts';
import { Scale } from '#api/autoscaling/scale.ts';
import { conform } from '#machinery/conform.ts';
import { cannotBeHandled, type FieldValidation } from '#machinery/decode.ts';
import { apiVersionOf, type Kind } from '#machinery/kind.ts';
import type { Fields } from '#machinery/apply/fields.ts';
import { applyFields, untrackedEntries, type Conflict } from '#machinery/apply/managed-fields.ts';
import { fieldsOf, ShapeError } from '#machinery/apply/to-fields.ts';
import type { ApiObject, ManagedFieldsEntry, ObjectRef } from '#machinery/object.ts';
import { StatusError, badRequest, conflict, hasReason } from '#machinery/status-error.ts';
import { readObject } from '../codec.ts';
import { inNamespace, named } from '../registry/object-meta.ts';
import { withManagers } from '../registry/stored-object.ts';
import { createObject } from './create.ts';
import { trackingOf } from './field-managers.ts';
import { retrying, type Pipeline, type WriteCall } from './pipeline.ts';
import { replaceObject } from './update.ts';

/** A configuration as its author wrote it: only what it sets. */
export interface ApplyBody {
  readonly config: unknown;
  /** Fields that occur twice. */
  readonly duplicates: readonly string[];
  readonly validation: FieldValidation;
  readonly force: boolean;
}

export interface AppliedObject<T extends ApiObject> {
  readonly object: T;
  readonly created: boolean;
}

/** The manager that stands for kubectl, also for its client-side apply's annotation. */
const kubectl = 'kubectl';
const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration';

/**
 * Makes an object what `body` says of it, as far as nobody else manages that; makes it if there is none. `mayCreate`
 * throws Forbidden. Throws Conflict with a cause a field (`FieldManagerConflict`), and BadRequest.
 * Source: k8s.io/apiserver/pkg/endpoints/handlers (patch.go) and apimachinery's managedfields.
 */
export async function applyObject<T extends ApiObject>(
  pipeline: Pipeline,
  call: WriteCall<T>,
  ref: ObjectRef,
  body: ApplyBody,
  mayCreate: () => Promise<void>,
): Promise<AppliedObject<T>> {
  return applyConfig(pipeline, call, ref, configOf(call, ref, body), body.force, mayCreate);
}

/** Without `mayCreate`, only to what is there. */
async function applyConfig<T extends ApiObject>(
  pipeline: Pipeline,
  call: WriteCall<T>,
  ref: ObjectRef,
  config: ApiObject,
  force: boolean,
  mayCreate: (() => Promise<void>) | undefined,
): Promise<AppliedObject<T>> {
  const { kind, context } = call;
  const tracked = { ...call, isTracked: true };
  const made = (live: T | undefined) => {
    const merged = apply(call, live, config, force, pipeline.clock.now());
    const { object, entries } = merged;
    const whole = readObject(kind, object, { validation: 'Ignore', warn: (text) => context.warn(text) });
    return withManagers(named(whole, ref.name), entries);
  };
  try {
    const object = await retrying(pipeline, tracked, ref, (stored) =>
      replaceObject(pipeline, tracked, stored, made(stored.whole)),
    );
    return { object, created: false };
  } catch (error) {
    if (!hasReason(error, 'NotFound') || mayCreate === undefined || call.attributes.subresource !== undefined)
      throw error;
  }
  const { uid = '', resourceVersion = '' } = config.metadata ?? {};
  if (uid !== '') {
    throw conflict(kind, ref.name, `Precondition failed: UID in precondition: ${uid}, UID in object meta: `);
  }
  if (resourceVersion !== '' && resourceVersion !== '0') {
    throw conflict(kind, ref.name, `resourceVersion ${resourceVersion} was asked for, and there is no such object`);
  }
  await mayCreate();
  return { object: await createObject(pipeline, tracked, made(undefined)), created: true };
}

/**
 * Applies a Scale: what it sets is `paths.specReplicas` of the object itself, managed through the door `scale`.
 * Source: managedfields (scalehandler.go).
 */
export async function applyScale<T extends ApiObject>(
  pipeline: Pipeline,
  call: WriteCall<T>,
  ref: ObjectRef,
  body: ApplyBody,
  specReplicas: string,
): Promise<T> {
  const scale: ApiObject & { readonly spec?: { readonly replicas?: number } } = configOf(
    { ...call, kind: Scale },
    ref,
    body,
  );
  const replicas = scale.spec?.replicas;
  const { apiVersion, kind: kindName } = { apiVersion: apiVersionOf(call.kind), kind: call.kind.kind };
  const wanted = specReplicas.split('.').reduceRight<unknown>((value, name) => ({ [name]: value }), replicas);
  const config = {
    apiVersion,
    kind: kindName,
    ...(replicas === undefined ? {} : (wanted as object)),
    ...(scale.metadata === undefined ? {} : { metadata: scale.metadata }),
  };
  const { object } = await applyConfig(pipeline, call, ref, config, body.force, undefined);
  return object;
}

/** The configuration, checked and with its values in the form they are stored in; nothing is added to it. */
function configOf<T extends ApiObject>(
  { kind, context }: WriteCall<T>,
  ref: ObjectRef,
  { config, validation, duplicates }: ApplyBody,
): ApiObject {
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw badRequest(`the body must be one ${kind.kind} object`);
  }
  const { apiVersion, kind: kindName, metadata: sent } = config as ApiObject;
  if (apiVersion !== apiVersionOf(kind) || kindName !== kind.kind) {
    throw badRequest(
      `the configuration must say apiVersion ${apiVersionOf(kind)} and kind ${kind.kind}, and says ${String(apiVersion)} and ${String(kindName)}`,
    );
  }
  if ((sent as { managedFields?: unknown } | undefined)?.managedFields !== undefined) {
    throw badRequest('metadata.managedFields must be nil');
  }
  const { value, unknown, errors } = conform(kind.schema, config);
  if (errors[0] !== undefined) throw cannotBeHandled(kind, kind, errors[0]);
  const warnings = [
    ...duplicates.map((path) => `duplicate field ${JSON.stringify(path)}`),
    ...unknown.map((path) => `unknown field ${JSON.stringify(path)}`),
  ];
  if (validation === 'Strict' && warnings.length > 0) {
    throw cannotBeHandled(kind, kind, `strict decoding error: ${warnings.join(', ')}`);
  }
  if (unknown[0] !== undefined) throw untyped(kind, ref, `.${unknown[0]}: field not declared in schema`);
  if (validation === 'Warn') for (const warning of warnings) context.warn(warning);
  const { metadata, ...written } = asWritten(config, value) as ApiObject;
  // Checks both, and leaves them to the URL: a configuration does not manage them.
  const {
    name: _name,
    namespace: _namespace,
    ...meant
  } = inNamespace<ApiObject>(kind, named<ApiObject>({ metadata: metadata ?? {} }, ref.name), ref.namespace).metadata ??
  {};
  return Object.keys(meant).length === 0 ? written : { ...written, metadata: meant };
}

/** Upstream answers 500 here, as if it were the server's fault; it is the configuration's. */
const untyped = (kind: Kind, { namespace = '', name }: ObjectRef, detail: string) =>
  badRequest(
    `failed to create typed patch object (${namespace}/${name}; ${kind.group === '' ? '' : `${kind.group}/`}${kind.version}, Kind=${kind.kind}): ${detail}`,
  );

/** `written` with its values as they conform to the schema; what conforming added or dropped stays as written. */
function asWritten(written: unknown, conformed: unknown): unknown {
  if (conformed === undefined || typeof written !== 'object' || written === null) return conformed ?? written;
  if (Array.isArray(written)) {
    if (!Array.isArray(conformed) || conformed.length !== written.length) return written;
    return written.map((item, index) => asWritten(item, conformed[index]));
  }
  if (typeof conformed !== 'object' || conformed === null || Array.isArray(conformed)) return conformed;
  const result: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(written)) {
    if (value === null) continue;
    const inner = Object.hasOwn(conformed, key) ? (conformed as Readonly<Record<string, unknown>>)[key] : undefined;
    result[key] = asWritten(value, inner);
  }
  return result;
}

interface Merged {
  readonly object: unknown;
  readonly entries: readonly ManagedFieldsEntry[];
}

function apply<T extends ApiObject>(
  call: WriteCall<T>,
  live: T | undefined,
  config: ApiObject,
  force: boolean,
  now: number,
): Merged {
  const { kind, attributes } = call;
  const { tracking, writer } = trackingOf(call, now);
  const state =
    live === undefined ? { apiVersion: apiVersionOf(kind), kind: kind.kind } : withManagers(live, undefined);
  const isKubectl = writer.manager === kubectl;
  const yields = isKubectl ? fieldsLastApplied(kind, live) : undefined;
  try {
    const entries =
      live === undefined ? [] : (live.metadata?.managedFields ?? untrackedEntries(tracking, writer.apiVersion, state));
    const applied = applyFields(tracking, writer, entries, state, config, { force, yields });
    if (applied.conflicts.length > 0) throw applyConflict(applied.conflicts);
    if (!isKubectl || live?.metadata?.annotations?.[lastApplied] === undefined) return applied;
    return { ...applied, object: withLastApplied(applied.object as ApiObject, config) };
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error;
    const name = attributes.name ?? '';
    throw untyped(
      kind,
      { ...(attributes.namespace === undefined ? {} : { namespace: attributes.namespace }), name },
      error.message,
    );
  }
}

/** What `kubectl apply` without `--server-side` last set: kubectl may take that over from itself. */
function fieldsLastApplied(kind: Kind, live: ApiObject | undefined): Fields | undefined {
  const text = live?.metadata?.annotations?.[lastApplied];
  if (text === undefined) return undefined;
  try {
    const { value } = conform(kind.schema, parseExact(text));
    return fieldsOf(kind.schema, value);
  } catch {
    return undefined; // whoever wrote it: it cannot be read, so it settles nothing
  }
}

/** Keeps the annotation of client-side apply true, for who goes back to it. */
function withLastApplied(object: ApiObject, config: ApiObject): ApiObject {
  const { [lastApplied]: _old, ...annotations } = config.metadata?.annotations ?? {};
  const text = formatJson({ ...config, metadata: { ...config.metadata, annotations } });
  return {
    ...object,
    metadata: { ...object.metadata, annotations: { ...object.metadata?.annotations, [lastApplied]: `${text}\n` } },
  };
}

/** Source: managedfields internal (conflict.go): the texts that clients show and match. */
function applyConflict(conflicts: readonly Conflict[]): StatusError {
  const causes = conflicts.flatMap(({ entry, paths }) =>
    paths.map((field) => ({ reason: 'FieldManagerConflict', message: `conflict with ${managerText(entry)}`, field })),
  );
  const groups = Map.groupBy(
    conflicts.flatMap(({ entry, paths }) => paths.map((path) => ({ manager: managerText(entry), path }))),
    ({ manager }) => manager,
  );
  const [[only, paths] = ['', []]] = groups;
  const details =
    causes.length === 1
      ? `conflict with ${only}: ${paths[0]?.path ?? ''}`
      : [...groups]
          .toSorted(([a], [b]) => (a < b ? -1 : 1))
          .map(([manager, fields]) =>
            [`conflicts with ${manager}:`, ...fields.map(({ path }) => `- ${path}`)].join('\n'),
          )
          .join('\n');
  return new StatusError(
    'Conflict',
    `Apply failed with ${causes.length} conflict${causes.length === 1 ? '' : 's'}: ${details}`,
    {
      details: { causes },
    },
  );
}

function managerText({ manager = '', operation, apiVersion = '', subresource }: ManagedFieldsEntry): string {
  const name = JSON.stringify(manager);
  const through = subresource === undefined ? name : `${name} with subresource ${JSON.stringify(subresource)}`;
  return operation === 'Update' ? `${through} using ${apiVersion}` : through;
}
