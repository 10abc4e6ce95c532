import { definition } from '#api/definitions.ts';
import { conform } from '#machinery/conform.ts';
import type { FieldValidation } from '#machinery/decode.ts';
import { invalid, notSupported } from '#machinery/field-error.ts';
import { decodeText, duplicateFields, parseJson } from '#machinery/json.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import { hasProtobuf, openEnvelope, readMessage } from '#machinery/protobuf.ts';
import type { ObjectSchema } from '#machinery/schema.ts';
import { badRequest, invalidObject, unsupportedMediaType } from '#machinery/status-error.ts';
import { parseYaml } from '#machinery/yaml.ts';
import { readObject } from '../codec.ts';
import type { PropagationPolicy } from '../registry/deletion.ts';
import type { DeletionOptions } from '../verbs/delete.ts';
import type { ApplyBody } from '../verbs/apply.ts';
import type { PatchBody } from '../verbs/patch.ts';
import { readBody } from './body.ts';
import type { Exchange } from './exchange.ts';
import { parseContentType } from './media-type.ts';
import { jsonType, protobufType, yamlType } from './negotiation.ts';

const validations = ['Ignore', 'Warn', 'Strict'] as const;

/** The `fieldValidation` parameter; `Warn` unless given. Throws Invalid. */
export function fieldValidationOf(query: URLSearchParams): FieldValidation {
  const text = query.get('fieldValidation') ?? '';
  if (text === '') return 'Warn';
  const found = validations.find((each) => each === text);
  if (found !== undefined) return found;
  throw invalidOption('CreateOptions', 'fieldValidation', text, ['', ...validations]);
}

const invalidOption = (kind: string, field: string, value: string, supported: readonly string[]) =>
  invalidObject({ group: 'meta.k8s.io', kind }, '', [notSupported(field, value, supported)]);

/** A body once parsed, whatever it was written in. */
interface ParsedBody {
  readonly value: unknown;
  readonly duplicates: readonly string[];
}

/** Parses a body in any of the encodings of objects. Throws UnsupportedMediaType and BadRequest. */
async function parseBody(
  { yaml }: Pick<Exchange, 'yaml'>,
  type: string,
  bytes: Buffer,
  schema: ObjectSchema,
  validation: FieldValidation,
): Promise<ParsedBody> {
  switch (type) {
    case jsonType: {
      const value = parseJson(bytes);
      return { value, duplicates: validation === 'Ignore' ? [] : duplicateFields(decodeText(bytes), value) };
    }
    case yamlType:
    case 'text/yaml':
      return yaml === undefined ? parseYaml(bytes) : yaml.parse(bytes);
    case protobufType:
      if (!hasProtobuf(schema)) {
        throw unsupportedMediaType(
          `the body of the request was in an unknown format - accepted media types include: ${jsonType}, ${yamlType}`,
        );
      }
      return { value: readMessage(schema, openEnvelope(bytes)), duplicates: [] };
    default:
      throw unsupportedMediaType(
        `the body of the request was in an unknown format - accepted media types include: ${jsonType}, ${yamlType}, ${protobufType}`,
      );
  }
}

const bodyType = ({ req }: Exchange) => parseContentType(req.headers['content-type'])?.type ?? jsonType;

/** The body as an object of `kind`. */
export async function readBodyAs<T extends ApiObject>(exchange: Exchange, kind: Kind<T>): Promise<T> {
  const validation = fieldValidationOf(exchange.query);
  const bytes = await readBody(exchange);
  const { value, duplicates } = await parseBody(exchange, bodyType(exchange), bytes, kind.schema, validation);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw badRequest(`the body must be one ${kind.kind} object`);
  }
  exchange.context.audit?.request?.(value);
  return readObject(kind, value, { validation, duplicates, warn: (text) => exchange.context.warn(text) });
}

const patchTypes: Readonly<Record<string, PatchBody['type']>> = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
};

/** The body as a patch. Throws UnsupportedMediaType. */
export async function readPatch(exchange: Exchange, kind?: Pick<Kind, 'custom'>): Promise<PatchBody> {
  const type = patchTypes[bodyType(exchange)];
  // What merges strategically is known of Go types alone.
  const isCustom = kind?.custom !== undefined;
  if (type === undefined || (isCustom && type === 'strategic')) {
    const accepted = Object.keys(patchTypes).filter((each) => !isCustom || patchTypes[each] !== 'strategic');
    throw unsupportedMediaType(
      `the body of the request was in an unknown format - accepted media types include: ${[...accepted, applyType].join(', ')}`,
    );
  }
  const bytes = await readBody(exchange);
  const patch = parseJson(bytes);
  exchange.context.audit?.request?.(patch);
  const duplicates = fieldValidationOf(exchange.query) === 'Ignore' ? [] : duplicateFields(decodeText(bytes), patch);
  return { type, patch, duplicates };
}

const applyType = 'application/apply-patch+yaml';

/** Whether the body is a configuration to be applied. Throws UnsupportedMediaType for one in CBOR. */
export function isApply(exchange: Exchange): boolean {
  const type = bodyType(exchange);
  if (type === 'application/apply-patch+cbor') {
    throw unsupportedMediaType(`this server does not read CBOR; send the configuration as ${applyType}`);
  }
  return type === applyType;
}

/** The body as a configuration; JSON is YAML too. */
export async function readConfig(exchange: Exchange): Promise<Omit<ApplyBody, 'force'>> {
  const validation = fieldValidationOf(exchange.query);
  const bytes = await readBody(exchange);
  const isJson = bytes.toString('latin1', 0, 64).trimStart().startsWith('{');
  const type = isJson ? jsonType : yamlType;
  const { value, duplicates } = await parseBody(exchange, type, bytes, anySchema, validation);
  exchange.context.audit?.request?.(value);
  return { config: value, duplicates: validation === 'Ignore' ? [] : duplicates, validation };
}

/** Never looked at: neither JSON nor YAML is read by a schema. */
const anySchema: ObjectSchema = { type: 'object', fields: {}, required: [] };

interface DeleteOptionsBody {
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: string;
  readonly orphanDependents?: boolean;
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
  readonly dryRun?: readonly string[];
  readonly ignoreStoreReadErrorWithClusterBreakingPotential?: boolean;
}

const policies = ['Orphan', 'Background', 'Foreground'] as const;

/** What a DELETE wants, from its body or, without one, from its query. */
export async function readDeletion(
  exchange: Exchange,
): Promise<DeletionOptions & { readonly dryRun: readonly string[] }> {
  const bytes = await readBody(exchange);
  const body = bytes.length === 0 ? fromQuery(exchange.query) : await deleteOptionsOf(exchange, bytes);
  if (bytes.length > 0) exchange.context.audit?.request?.(body);
  const { gracePeriodSeconds, preconditions, orphanDependents, dryRun = [] } = body;
  return {
    gracePeriodSeconds,
    preconditions,
    propagationPolicy: policyOf(body.propagationPolicy, orphanDependents),
    dryRun,
    ignoresReadErrors: body.ignoreStoreReadErrorWithClusterBreakingPotential === true,
  };
}

async function deleteOptionsOf(exchange: Exchange, bytes: Buffer): Promise<DeleteOptionsBody> {
  const schema = definition('io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions');
  const parsed = await parseBody(exchange, bodyType(exchange), bytes, schema, 'Ignore');
  const { value, errors } = conform(schema, parsed.value);
  if (errors[0] !== undefined) throw badRequest(`DeleteOptions cannot be read: ${errors[0]}`);
  return value as DeleteOptionsBody; // it conforms to the schema of DeleteOptions
}

function fromQuery(query: URLSearchParams): DeleteOptionsBody {
  const seconds = query.get('gracePeriodSeconds');
  if (seconds !== null && !/^-?\d{1,10}$/.test(seconds)) {
    throw badRequest(`gracePeriodSeconds: Invalid value: ${JSON.stringify(seconds)}: must be a whole number`);
  }
  const policy = query.get('propagationPolicy');
  const orphan = query.get('orphanDependents');
  return {
    ...(seconds === null ? {} : { gracePeriodSeconds: Number(seconds) }),
    ...(policy === null ? {} : { propagationPolicy: policy }),
    ...(orphan === null ? {} : { orphanDependents: orphan === 'true' }),
  };
}

function policyOf(policy: string | undefined, orphan: boolean | undefined): PropagationPolicy | undefined {
  if (policy === undefined || policy === '') {
    return orphan === undefined ? undefined : orphan ? 'Orphan' : 'Background';
  }
  const found = policies.find((each) => each === policy);
  if (found === undefined) throw invalidOption('DeleteOptions', 'propagationPolicy', policy, [...policies, '']);
  if (orphan !== undefined) {
    throw invalidObject({ group: 'meta.k8s.io', kind: 'DeleteOptions' }, '', [
      invalid('propagationPolicy', policy, 'orphanDependents and deletionPropagation cannot be both set'),
    ]);
  }
  return found;
}
