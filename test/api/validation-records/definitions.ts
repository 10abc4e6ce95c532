/** Definitions of custom resources: apiextensions-apiserver v0.35 pkg/apis/apiextensions/validation and pkg/apiserver/schema. */
import { CustomResourceDefinition } from '#api/apiextensions/custom-resource-definition.ts';
import { bad, type RecordTable } from './record.ts';
import * as words from './words.ts';

const spec = (change: object) => ({ spec: change });
const names = (change: object) => spec({ names: change });
const size = { type: 'object', properties: { spec: { type: 'object', properties: { size: { type: 'integer' } } } } };
const v1 = { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: size } };
const version = (change: object) => spec({ versions: [{ ...v1, ...change }] });
const schema = (openAPIV3Schema: object) => version({ schema: { openAPIV3Schema } });
const field = (change: object) => schema({ type: 'object', properties: { a: change } });
const scale = (change: object) =>
  version({
    subresources: { scale: { specReplicasPath: '.spec.size', statusReplicasPath: '.status.size', ...change } },
  });
const column = (change: object) =>
  version({ additionalPrinterColumns: [{ name: 'Size', type: 'integer', jsonPath: '.spec.size', ...change }] });
const selectable = (...jsonPaths: readonly string[]) =>
  version({ selectableFields: jsonPaths.map((jsonPath) => ({ jsonPath })) });
const conversion = (change: object) => spec({ conversion: change });
const webhook = (change: object) =>
  conversion({
    strategy: 'Webhook',
    webhook: { clientConfig: { url: 'https://example.com' }, conversionReviewVersions: ['v1'], ...change },
  });
// What all versions say alike stands on top in upstream's internal form.
const root = 'spec.validation.openAPIV3Schema';
const a = `${root}.properties[a]`;
const mixed = 'may have mixed case, but should otherwise match: ';
const name = 'must be spec.names.plural+"."+spec.group';
const types = 'boolean,date,integer,number,string';
const widgets = {
  metadata: { name: 'widgets.example.com' },
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: { plural: 'widgets', singular: 'widget', kind: 'Widget', listKind: 'WidgetList' },
    versions: [v1],
  },
};

export const definitionRecords: readonly RecordTable[] = [
  {
    kind: CustomResourceDefinition,
    operation: 'create',
    object: widgets,
    records: [
      bad(
        'ValidateCustomResourceDefinition',
        { metadata: { name: 'other.example.com' } },
        `metadata.name: Invalid value: "other.example.com": ${name}`,
      ),
      bad(
        'validateCustomResourceDefinitionSpec',
        { metadata: { name: 'widgets.' }, ...spec({ group: '' }) },
        `metadata.name: Invalid value: "widgets.": ${words.dnsSubdomain}`,
        'spec.group: Required value',
      ),
      bad(
        'validateCustomResourceDefinitionSpec',
        { metadata: { name: 'widgets.example' }, ...spec({ group: 'example' }) },
        'spec.group: Invalid value: "example": should be a domain with at least one dot',
      ),
      bad('validateEnumStrings', spec({ scope: '' }), 'spec.scope: Required value'),
      bad(
        'validateEnumStrings',
        spec({ scope: 'Everywhere' }),
        'spec.scope: Unsupported value: "Everywhere": supported values: "Cluster", "Namespaced"',
      ),
      bad(
        'validateCustomResourceDefinitionSpec',
        version({ schema: null }),
        'spec.versions[0].schema.openAPIV3Schema: Required value',
      ),
      bad(
        'validateCustomResourceDefinitionSpec',
        version({ name: '1' }),
        `spec.versions[0].name: Invalid value: "1": ${words.dns1035}`,
      ),
      bad(
        'validateDeprecationWarning',
        version({ deprecationWarning: 'old' }),
        'spec.versions[0].deprecationWarning: Invalid value: "old": can only be set for deprecated versions',
      ),
      bad(
        'validateDeprecationWarning',
        version({ deprecated: true, deprecationWarning: '' }),
        'spec.versions[0].deprecationWarning: Invalid value: "": must not be an empty string',
      ),
      bad(
        'validateDeprecationWarning',
        version({ deprecated: true, deprecationWarning: 'a\nb' }),
        String.raw`spec.versions[0].deprecationWarning: Invalid value: "a\nb": must only contain printable UTF-8 characters; non-printable character found at index 1`,
      ),
      bad(
        'ValidateCustomResourceDefinitionNames',
        names({ singular: 'Widget' }),
        `spec.names.singular: Invalid value: "Widget": ${words.dns1035}`,
      ),
      bad(
        'ValidateCustomResourceDefinitionNames',
        names({ kind: 'My Widget' }),
        `spec.names.kind: Invalid value: "My Widget": ${mixed}${words.dns1035}`,
      ),
      bad(
        'ValidateCustomResourceDefinitionNames',
        names({ listKind: 'My List' }),
        `spec.names.listKind: Invalid value: "My List": ${mixed}${words.dns1035}`,
      ),
      bad(
        'ValidateCustomResourceDefinitionNames',
        names({ listKind: 'Widget' }),
        'spec.names.listKind: Invalid value: "Widget": kind and listKind may not be the same',
      ),
      bad(
        'ValidateCustomResourceDefinitionNames',
        names({ shortNames: ['W'] }),
        `spec.names.shortNames[0]: Invalid value: "W": ${words.dns1035}`,
      ),
      bad(
        'ValidateCustomResourceDefinitionNames',
        names({ categories: ['All'] }),
        `spec.names.categories[0]: Invalid value: "All": ${words.dns1035}`,
      ),
      bad(
        'ValidateCustomResourceDefinitionSubresources',
        scale({ specReplicasPath: '' }),
        'spec.subresources.scale.specReplicasPath: Required value',
      ),
      bad(
        'validateSimpleJSONPath',
        scale({ specReplicasPath: 'spec.size' }),
        'spec.subresources.scale.specReplicasPath: Invalid value: "spec.size": must be a simple json path starting with .',
      ),
      bad(
        'ValidateCustomResourceDefinitionSubresources',
        scale({ specReplicasPath: '.status.size' }),
        'spec.subresources.scale.specReplicasPath: Invalid value: ".status.size": should be a json path under .spec',
      ),
      bad(
        'ValidateCustomResourceDefinitionSubresources',
        scale({ statusReplicasPath: '.spec.size' }),
        'spec.subresources.scale.statusReplicasPath: Invalid value: ".spec.size": should be a json path under .status',
      ),
      bad(
        'ValidateCustomResourceDefinitionSubresources',
        scale({ labelSelectorPath: '.metadata.labels' }),
        'spec.subresources.scale.labelSelectorPath: Invalid value: ".metadata.labels": should be a json path under either .spec or .status',
      ),
      bad(
        'ValidateCustomResourceColumnDefinition',
        column({ name: '' }),
        'spec.additionalPrinterColumns[0].name: Required value',
      ),
      bad(
        'ValidateCustomResourceColumnDefinition',
        column({ type: '' }),
        `spec.additionalPrinterColumns[0].type: Required value: must be one of ${types}`,
      ),
      bad(
        'ValidateCustomResourceColumnDefinition',
        column({ type: 'object' }),
        `spec.additionalPrinterColumns[0].type: Invalid value: "object": must be one of ${types}`,
      ),
      bad(
        'ValidateCustomResourceColumnDefinition',
        column({ format: 'int' }),
        'spec.additionalPrinterColumns[0].format: Invalid value: "int": must be one of byte,date,date-time,double,float,int32,int64,password',
      ),
      bad(
        'ValidateCustomResourceColumnDefinition',
        column({ jsonPath: '' }),
        'spec.additionalPrinterColumns[0].JSONPath: Required value',
      ),
      bad(
        'ValidateCustomResourceColumnDefinition',
        column({ jsonPath: 'spec' }),
        'spec.additionalPrinterColumns[0].JSONPath: Invalid value: "spec": must be a simple json path starting with .',
      ),
      bad(
        'ValidateCustomResourceSelectableFields',
        selectable(''),
        'spec.selectableFields[0].jsonPath: Required value',
      ),
      bad(
        'ValidateCustomResourceSelectableFields',
        selectable('.spec'),
        'spec.selectableFields[0].jsonPath: Invalid value: ".spec": must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.',
      ),
      bad(
        'ValidateCustomResourceSelectableFields',
        selectable('.spec.size', '.spec.size'),
        'spec.selectableFields[1].jsonPath: Duplicate value: ".spec.size"',
      ),
      bad(
        'validateEnumStrings',
        conversion({ strategy: 'Any' }),
        'spec.conversion.strategy: Unsupported value: "Any": supported values: "None", "Webhook"',
      ),
      bad(
        'validateCustomResourceConversion',
        webhook({ clientConfig: null }),
        'spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook',
      ),
      bad(
        'validateCustomResourceConversion',
        webhook({ clientConfig: {} }),
        'spec.conversion.webhookClientConfig: Required value: exactly one of url or service is required',
      ),
      bad(
        'ValidateWebhookURL',
        webhook({ clientConfig: { url: 'http://example.com' } }),
        `spec.conversion.webhookClientConfig.url: Invalid value: "http": 'https' is the only allowed URL scheme; desired format: https://host[/path]`,
      ),
      bad(
        'validateConversionReviewVersions',
        webhook({ conversionReviewVersions: ['v2'] }),
        'spec.conversion.conversionReviewVersions: Invalid value: ["v2"]: must include at least one of v1, v1beta1',
      ),
      bad(
        'validateConversionReviewVersions',
        webhook({ conversionReviewVersions: ['v1', 'v1'] }),
        'spec.conversion.conversionReviewVersions[1]: Invalid value: "v1": duplicate version',
      ),
      bad(
        'validateAPIApproval',
        {
          metadata: { name: 'widgets.example.k8s.io' },
          ...spec({ group: 'example.k8s.io' }),
        },
        'metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval annotation "api-approved.kubernetes.io", see https://github.com/kubernetes/enhancements/pull/1111',
      ),
      bad(
        'validateCustomResourceDefinitionValidation',
        schema({ type: 'object', nullable: true }),
        `${root}.nullable: Forbidden: nullable cannot be true at the root`,
      ),
      bad(
        'ValidateStructural',
        schema({ properties: {} }),
        `${root}.type: Required value: must not be empty at the root`,
      ),
      bad(
        'ValidateStructural',
        schema({ type: 'string' }),
        `${root}.type: Invalid value: "string": must be object at the root`,
      ),
      bad('ValidateStructural', field({}), `${a}.type: Required value: must not be empty for specified object fields`),
      bad('ValidateStructural', field({ type: 'array' }), `${a}.items: Required value: must be specified`),
      bad(
        'ValidateStructural',
        field({ type: 'array', items: {} }),
        `${a}.items.type: Required value: must not be empty for specified array items`,
      ),
      bad(
        'specStandardValidatorV3.validate',
        field({ type: 'text' }),
        `${a}.type: Unsupported value: "text": supported values: "array", "boolean", "integer", "number", "object", "string"`,
      ),
      bad(
        'ValidateCustomResourceDefinitionOpenAPISchema',
        field({ type: 'array', items: { type: 'string' }, uniqueItems: true }),
        `${a}.uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic`,
      ),
      bad(
        'ValidateCustomResourceDefinitionOpenAPISchema',
        field({ type: 'object', properties: { b: { type: 'string' } }, additionalProperties: { type: 'string' } }),
        `${a}.additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive`,
      ),
      bad(
        'ValidateCustomResourceDefinitionOpenAPISchema',
        field({ type: 'string', 'x-kubernetes-list-type': 'atomic' }),
        `${a}.type: Invalid value: "string": must be array if x-kubernetes-list-type is specified`,
      ),
      bad(
        'ValidateCustomResourceDefinitionOpenAPISchema',
        field({ type: 'string', 'x-kubernetes-map-type': 'atomic' }),
        `${a}.type: Invalid value: "string": must be object if x-kubernetes-map-type is specified`,
      ),
      bad(
        'ValidateCustomResourceDefinitionOpenAPISchema',
        field({ type: 'array', items: { type: 'string' }, 'x-kubernetes-list-type': 'bag' }),
        `${a}.x-kubernetes-list-type: Unsupported value: "bag": supported values: "atomic", "set", "map"`,
      ),
      bad(
        'ValidateCustomResourceDefinitionOpenAPISchema',
        field({ type: 'array', items: { type: 'object' }, 'x-kubernetes-list-type': 'map' }),
        `${a}.x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map`,
      ),
      bad(
        'ValidateCustomResourceDefinitionOpenAPISchema',
        field({ type: 'string', 'x-kubernetes-validations': [{ rule: ' ' }] }),
        `${a}.x-kubernetes-validations[0].rule: Required value: rule is not specified`,
      ),
      bad(
        'ValidateCustomResourceDefinitionOpenAPISchema',
        field({ type: 'string', 'x-kubernetes-validations': [{ rule: 'true', message: ' ' }] }),
        `${a}.x-kubernetes-validations[0].message: Invalid value: " ": must be non-empty if specified`,
      ),
      bad(
        'ValidateCustomResourceDefinitionOpenAPISchema',
        field({ type: 'string', 'x-kubernetes-validations': [{ rule: 'true', message: 'a\nb' }] }),
        String.raw`${a}.x-kubernetes-validations[0].message: Invalid value: "a\nb": must not contain line breaks`,
      ),
    ],
  },
  {
    kind: CustomResourceDefinition,
    operation: 'update',
    object: {
      ...widgets,
      metadata: { name: 'gadgets.example.com' },
      spec: {
        ...widgets.spec,
        names: { plural: 'gadgets', singular: 'gadget', kind: 'Gadget', listKind: 'GadgetList' },
      },
    },
    records: [
      bad(
        'validateCustomResourceDefinitionSpecUpdate',
        spec({ group: 'example.org' }),
        'spec.group: Invalid value: "example.org": field is immutable',
      ),
      bad(
        'validateCustomResourceDefinitionSpecUpdate',
        names({ plural: 'others' }),
        'spec.names.plural: Invalid value: "others": field is immutable',
      ),
    ],
  },
];
