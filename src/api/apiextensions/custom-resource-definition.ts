import { invalid, type FieldError } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { dns1123SubdomainComplaints } from '#machinery/names.ts';
import { isKnownFormat } from '#machinery/structural/formats.ts';
import { hasRules, loadRules } from '#machinery/structural/load-rules.ts';
import { isObject, type JsonSchema } from '#machinery/structural/json-schema.ts';
import { definition } from '../definitions.ts';
import { createdColumn, nameColumn } from '../rules/columns.ts';
import { costErrors } from './cost-rules.ts';
import { cleanupFinalizer, withDefinitionCondition } from './definition-conditions.ts';
import { approvalErrors, immutableErrors, specErrors, statusErrors, storedVersionsErrors } from './definition-rules.ts';
import type * as types from './types.generated.ts';

export type CustomResourceDefinition = types.CustomResourceDefinition;
export const CustomResourceDefinition: Kind<CustomResourceDefinition> = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  singular: 'customresourcedefinition',
  shortNames: ['crd', 'crds'],
  categories: ['api-extensions'],
  namespaced: false,
  hasGeneration: true,
  subresources: { status: true },
  get schema() {
    return definition('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition');
  },
  defaults: (object) => withStoredVersion(withNames(object)),
  prepareForCreate: ({ status: _none, ...object }) => withStoredVersion(object),
  prepareForUpdate: (object) => withStoredVersion(object),
  prepareForDelete(object, now) {
    const finalizers = object.metadata?.finalizers ?? [];
    const conditions = withDefinitionCondition(
      object.status?.conditions ?? [],
      {
        type: 'Terminating',
        status: 'True',
        reason: 'InstanceDeletionPending',
        message: 'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon',
      },
      now,
    );
    return {
      ...object,
      metadata: {
        ...object.metadata,
        ...(finalizers.includes(cleanupFinalizer) ? {} : { finalizers: [...finalizers, cleanupFinalizer] }),
      },
      status: { ...object.status, conditions },
    };
  },
  async load({ spec }) {
    const schemas = spec.versions.map(({ schema }) => (schema?.openAPIV3Schema ?? {}) as JsonSchema);
    if (schemas.some(hasRules)) await loadRules();
  },
  validate(object) {
    const isNew = object.metadata?.resourceVersion === undefined;
    const errors = specErrors(object.spec);
    return [
      ...(isNew ? nameErrors(object) : []),
      ...errors,
      ...(isNew && errors.length === 0 ? costErrors(object.spec, undefined) : []),
      ...statusErrors(object),
      ...storedVersionsErrors(object),
      ...(isNew ? approvalErrors(object, undefined) : []),
    ];
  },
  validateUpdate: (object, stored, subresource) =>
    subresource === 'status'
      ? []
      : [
          ...immutableErrors(object, stored),
          ...approvalErrors(object, stored),
          ...(specErrors(object.spec).length === 0 ? costErrors(object.spec, stored.spec) : []),
        ],
  warn(object, stored) {
    const before = new Set(stored === undefined ? [] : warningsOf(stored));
    return warningsOf(object).filter((text) => !before.has(text));
  },
  validateName: dns1123SubdomainComplaints,
  columns: [nameColumn, createdColumn],
};

function nameErrors({ metadata, spec }: CustomResourceDefinition): FieldError[] {
  const { name = '' } = metadata ?? {};
  const wanted = `${spec.names.plural}.${spec.group}`;
  return name === '' || name === wanted
    ? []
    : [invalid('metadata.name', name, 'must be spec.names.plural+"."+spec.group')];
}

function withNames(object: CustomResourceDefinition): CustomResourceDefinition {
  const { spec } = object;
  const { conversion } = spec;
  // What a client leaves out is empty, as in Go, for the rules to find.
  const names: Partial<typeof spec.names> = spec.names ?? {};
  const needsPort = conversion?.webhook?.clientConfig?.service?.port === undefined;
  const service = conversion?.webhook?.clientConfig?.service;
  if (
    names.kind !== undefined &&
    names.plural !== undefined &&
    (names.singular ?? '') !== '' &&
    (names.listKind ?? '') !== '' &&
    conversion !== undefined &&
    !(needsPort && service !== undefined)
  )
    return object;
  const { kind = '', plural = '' } = names;
  return {
    ...object,
    spec: {
      ...spec,
      conversion: withPort(conversion ?? { strategy: 'None' }),
      names: {
        ...names,
        kind,
        plural,
        ...((names.listKind ?? '') === '' && kind !== '' ? { listKind: `${kind}List` } : {}),
        ...((names.singular ?? '') === '' && kind !== '' ? { singular: kind.toLowerCase() } : {}),
      },
    },
  };
}

function withPort(conversion: types.CustomResourceConversion): types.CustomResourceConversion {
  const { webhook } = conversion;
  const { clientConfig } = webhook ?? {};
  const { service } = clientConfig ?? {};
  if (webhook === undefined || service === undefined || service.port !== undefined) return conversion;
  return {
    ...conversion,
    webhook: { ...webhook, clientConfig: { ...clientConfig, service: { ...service, port: 443 } } },
  };
}

/** Every version that objects were ever stored in is remembered, until somebody has migrated them. */
function withStoredVersion(object: CustomResourceDefinition): CustomResourceDefinition {
  const storage = object.spec.versions?.find((each) => each.storage)?.name;
  const stored = object.status?.storedVersions ?? [];
  if (storage === undefined || stored.includes(storage)) return object;
  return { ...object, status: { ...object.status, storedVersions: [...stored, storage] } };
}

/** Formats that nobody checks, and sets of what cannot be told apart. */
function warningsOf({ spec }: CustomResourceDefinition): readonly string[] {
  const warnings = new Set<string>();
  const visit = (schema: unknown): void => {
    if (!isObject(schema)) return;
    const { format = '', type, items } = schema as JsonSchema; // conforms to the definition of one
    if (format !== '' && !isKnownFormat(type, format)) warnings.add(`unrecognized format ${JSON.stringify(format)}`);
    if (schema['x-kubernetes-list-type'] === 'set' && (items?.type === 'object' || items?.type === 'array')) {
      const what = JSON.stringify(items.type);
      warnings.add(
        `x-kubernetes-list-type: set for items of type ${what} is not supported by server-side apply or CEL validation rules`,
      );
    }
    const { properties = {}, additionalProperties, allOf = [], anyOf = [], oneOf = [], not } = schema as JsonSchema;
    for (const each of [...Object.values(properties), additionalProperties, items, ...allOf, ...anyOf, ...oneOf, not]) {
      visit(each);
    }
  };
  for (const { schema } of spec.versions) visit(schema?.openAPIV3Schema);
  return [...warnings].toSorted();
}
