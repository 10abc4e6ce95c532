/**
 * The kinds that a CustomResourceDefinition brings: one for each version, made of data alone, so that nothing else need
 * know where a kind comes from. Whatever takes time or memory is made when it is first needed.
 * Source: apiextensions-apiserver pkg/registry/customresource (strategy.go, status_strategy.go, validator.go).
 */
import { createHash } from 'node:crypto';
import type { Conformed } from '#machinery/conform.ts';
import { formatJson } from '#machinery/json.ts';
import { invalid, type FieldError } from '#machinery/field-error.ts';
import { age } from '#machinery/human-duration.ts';
import { parseJsonPath, type JsonPath } from '#machinery/json-path.ts';
import type { Column, CustomFamily, FieldOf, Kind } from '#machinery/kind.ts';
import { qualifiedNameComplaints } from '#machinery/names.ts';
import type { ApiObject } from '#machinery/object.ts';
import type { ObjectSchema } from '#machinery/schema.ts';
import { withDefaults } from '#machinery/structural/defaults.ts';
import { embeddedErrors } from '#machinery/structural/embedded-resources.ts';
import { isObject, type JsonSchema, type Value } from '#machinery/structural/json-schema.ts';
import { listTypeErrors } from '#machinery/structural/list-types.ts';
import { prune } from '#machinery/structural/prune.ts';
import { hasRules, loadedRules, loadRules } from '#machinery/structural/load-rules.ts';
import { toSchema } from '#machinery/structural/to-schema.ts';
import { valueErrors } from '#machinery/structural/validate-value.ts';
import { definition } from '../definitions.ts';
import { ageColumn, nameColumn } from '../rules/columns.ts';
import { publishedSchema } from './published-schema.ts';
import type {
  CustomResourceColumnDefinition,
  CustomResourceDefinition,
  CustomResourceDefinitionVersion,
  CustomResourceSubresourceScale,
} from './types.generated.ts';

const metaName = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';

/** All kinds of an accepted definition. `generation` orders it among the families of the same resource. */
export function customFamily(crd: CustomResourceDefinition, generation: number): CustomFamily {
  const versions = new Map<string, Kind>();
  const names = crd.status?.acceptedNames ?? crd.spec.names;
  const storage = crd.spec.versions.find((each) => each.storage)?.name ?? '';
  const family: CustomFamily = {
    generation,
    fingerprint: createHash('sha256')
      .update(JSON.stringify([crd.metadata?.uid, crd.metadata?.generation, names]))
      .digest('hex'),
    versions,
    get storage() {
      return versions.get(storage)!; // validation sees to it that there is one
    },
    ...(crd.spec.conversion?.strategy === 'Webhook' ? { webhook: crd.spec.conversion.webhook } : {}),
  };
  for (const version of crd.spec.versions) versions.set(version.name, customKind(crd, version, family));
  return family;
}

function customKind(
  crd: CustomResourceDefinition,
  version: CustomResourceDefinitionVersion,
  family: CustomFamily,
): Kind {
  const { group, scope } = crd.spec;
  const names = crd.status?.acceptedNames ?? crd.spec.names;
  const { plural, kind, singular = '', listKind, shortNames, categories } = names;
  const structural: JsonSchema = (version.schema?.openAPIV3Schema ?? {}) as JsonSchema; // the same on the wire
  const { status, scale } = version.subresources ?? {};
  const meta = () => definition(metaName);
  let schema: ObjectSchema | undefined;
  let columns: readonly Column<ApiObject>[] | undefined;
  const deprecation =
    version.deprecated !== true
      ? undefined
      : (version.deprecationWarning ?? `${group}/${version.name} ${kind} is deprecated`);
  return {
    group,
    version: version.name,
    kind,
    plural,
    singular,
    ...(listKind === undefined || listKind === `${kind}List` ? {} : { listKind }),
    ...(shortNames === undefined || shortNames.length === 0 ? {} : { shortNames }),
    ...(categories === undefined || categories.length === 0 ? {} : { categories }),
    namespaced: scope === 'Namespaced',
    hasGeneration: true,
    ...(deprecation === undefined ? {} : { deprecation }),
    subresources: {
      ...(status === undefined ? {} : { status: true }),
      ...(scale === undefined ? {} : { scale: scalePaths(scale) }),
    },
    get schema() {
      return (schema ??= toSchema(structural, meta()));
    },
    get columns() {
      return (columns ??= columnsOf(version.additionalPrinterColumns ?? []));
    },
    selectableFields: selectableFields(version),
    prepareForCreate: (object) => (status === undefined ? object : withoutStatus(object)),
    ...(hasRules(structural) ? { load: loadRules } : {}),
    validate(object) {
      if (object.metadata?.resourceVersion !== undefined) return []; // a change is judged beside what it changes
      const errors = [
        ...valueErrors(structural, object),
        ...scaleErrors(scale, object, 'all'),
        ...embeddedErrors(structural, object),
        ...listTypeErrors(structural, object),
      ];
      return withRules(structural, object, undefined, errors);
    },
    validateUpdate(object, stored, subresource) {
      const lists = listTypeErrors(structural, object);
      const ratcheted = lists.length > 0 && listTypeErrors(structural, stored).length > 0 ? [] : lists;
      const errors =
        subresource === 'status'
          ? [...statusErrors(structural, object, stored), ...scaleErrors(scale, object, 'status'), ...ratcheted]
          : [
              ...valueErrors(structural, object, { before: { value: stored } }),
              ...scaleErrors(scale, object, 'all'),
              ...embeddedErrors(structural, object),
              ...ratcheted,
            ];
      return withRules(structural, object, stored, errors);
    },
    warn: (object, stored) => finalizerWarnings(object, stored),
    custom: {
      family,
      conform: (value) => conformed(structural, value, meta()),
      prune: (value) => prune(structural, value, meta()).value,
      openapi: () => publishedSchema(structural, { group, version: version.name, kind }),
    },
  };
}

function conformed(structural: JsonSchema, value: unknown, meta: ObjectSchema): Conformed {
  if (!isObject(value)) return { value, unknown: [], errors: ['the body must be a JSON object'] };
  const { value: pruned, unknown, errors } = prune(structural, value, meta);
  return { value: errors.length > 0 ? pruned : withDefaults(structural, pruned), unknown, errors };
}

const blocking = new Set<FieldError['type']>([
  'FieldValueNotSupported',
  'FieldValueRequired',
  'FieldValueTooLong',
  'FieldValueTooMany',
  'FieldValueTypeInvalid',
]);

/** Rules may rely on the types that the schema says, so they wait until those are right. */
function withRules(
  structural: JsonSchema,
  object: ApiObject,
  stored: ApiObject | undefined,
  errors: readonly FieldError[],
): readonly FieldError[] {
  if (!hasRules(structural)) return errors;
  if (errors.some(({ type }) => blocking.has(type))) {
    const words =
      'some validation rules were not checked because the object was invalid; correct the existing errors to complete validation';
    return [...errors, invalid('<nil>', null, words)];
  }
  const before = stored === undefined ? undefined : { value: stored };
  return [...errors, ...loadedRules().brokenRules(structural, object, before)];
}

function withoutStatus<T extends ApiObject>(object: T): T {
  const { status: _none, ...rest } = object as T & { status?: unknown };
  return rest as T;
}

/** Without the leading dot. */
function scalePaths({ specReplicasPath, statusReplicasPath, labelSelectorPath = '' }: CustomResourceSubresourceScale) {
  return {
    specReplicas: specReplicasPath.slice(1),
    statusReplicas: statusReplicasPath.slice(1),
    labelSelector: labelSelectorPath.slice(1),
  };
}

function statusErrors(structural: JsonSchema, object: ApiObject, stored: ApiObject): readonly FieldError[] {
  const schema = structural.properties?.['status'];
  const { status } = object as Value;
  if (schema === undefined || status === undefined) return [];
  const { status: before } = stored as Value;
  return valueErrors(schema, status, {
    path: 'status',
    ...(before === undefined ? {} : { before: { value: before } }),
  });
}

const replicasMax = 2_147_483_647;

/** What `/scale` reads must be what it can show. */
function scaleErrors(
  scale: CustomResourceSubresourceScale | undefined,
  object: ApiObject,
  which: 'all' | 'status',
): readonly FieldError[] {
  if (scale === undefined) return [];
  const { specReplicasPath, statusReplicasPath, labelSelectorPath = '' } = scale;
  const errors: FieldError[] = [];
  const paths = which === 'all' ? [specReplicasPath, statusReplicasPath] : [statusReplicasPath];
  for (const path of paths) {
    const value = valueAt(object, path);
    if (value === undefined) continue;
    if (typeof value !== 'number' || !Number.isInteger(value)) {
      errors.push(
        invalid(path, 0, `${path} accessor error: ${formatJson(value)} is of the wrong type, expected int64`),
      );
    } else if (value < 0) errors.push(invalid(path, value, 'should be a non-negative integer'));
    else if (value > replicasMax) {
      errors.push(invalid(path, value, `should be less than or equal to ${replicasMax}`));
    }
  }
  if (labelSelectorPath !== '') {
    const value = valueAt(object, labelSelectorPath);
    if (value !== undefined && typeof value !== 'string') {
      const words = `${labelSelectorPath} accessor error: ${formatJson(value)} is of the wrong type, expected string`;
      errors.push(invalid(labelSelectorPath, '', words));
    }
  }
  return errors;
}

function valueAt(object: unknown, path: string): unknown {
  let value = object;
  for (const key of path.slice(1).split('.')) value = isObject(value) ? value[key] : undefined;
  return value;
}

const standardFinalizers = new Set(['orphan', 'foregroundDeletion', 'kubernetes']);

function finalizerWarnings(object: ApiObject, stored: ApiObject | undefined): readonly string[] {
  const before = new Set(stored?.metadata?.finalizers);
  return (object.metadata?.finalizers ?? [])
    .filter((name) => !before.has(name))
    .toSorted()
    .flatMap((name) => {
      const lead = `metadata.finalizers: ${JSON.stringify(name)}: `;
      const complaints = qualifiedNameComplaints(name).map((complaint) => `${lead}${complaint}`);
      if (name.includes('/') || standardFinalizers.has(name)) return complaints;
      const path = name.includes('.') ? ' including a path (/)' : '';
      const words = `prefer a domain-qualified finalizer name${path} to avoid accidental conflicts with other finalizer writers`;
      return [...complaints, `${lead}${words}`];
    });
}

function columnsOf(columns: readonly CustomResourceColumnDefinition[]): readonly Column<ApiObject>[] {
  if (columns.length === 0) return [nameColumn, { ...ageColumn, type: 'date' }];
  return [nameColumn, ...columns.map(columnOf)];
}

function columnOf({
  name,
  type,
  format,
  description,
  priority,
  jsonPath,
}: CustomResourceColumnDefinition): Column<ApiObject> {
  const path = readPath(jsonPath);
  return {
    name,
    type: type as Column<ApiObject>['type'], // validated
    ...(format === undefined ? {} : { format }),
    description: description ?? `Custom resource definition column (in JSONPath format): ${jsonPath}`,
    // Whatever is not shown always is shown with `-o wide`.
    priority: (priority ?? 0) as 0 | 1,
    cell(object, now) {
      const [value] = path?.find(object) ?? [];
      return value === undefined ? null : cellOf(type, value, now);
    },
  };
}

function readPath(text: string): JsonPath | undefined {
  try {
    return parseJsonPath(text);
  } catch {
    return undefined;
  }
}

function cellOf(type: string, value: unknown, now: number): string | number | boolean | null {
  switch (type) {
    case 'string':
      return typeof value === 'string' ? value : value === null ? '' : formatJson(value);
    case 'integer':
      return typeof value === 'number' ? Math.trunc(value) : null;
    case 'number':
      return typeof value === 'number' ? value : null;
    case 'boolean':
      return typeof value === 'boolean' ? value : null;
    case 'date':
      if (typeof value !== 'string') return null;
      return Number.isNaN(Date.parse(value)) ? '<invalid>' : age(value, now);
    default:
      return null;
  }
}

function selectableFields(version: CustomResourceDefinitionVersion): Readonly<Record<string, FieldOf<ApiObject>>> {
  const fields = (version.selectableFields ?? []).map(({ jsonPath }) => {
    const path = readPath(jsonPath);
    const read = (object: ApiObject) => {
      const [value] = path?.find(object) ?? [];
      if (typeof value === 'string') return value;
      return value === undefined || value === null ? '' : formatJson(value);
    };
    return [jsonPath.replace(/^\./, ''), read] as const;
  });
  return Object.fromEntries(fields);
}
