/** Lists that protobuf wraps into a message of their own, by definition and field. */
export const wrappedLists: ReadonlySet<string> = new Set(['io.k8s.apimachinery.pkg.apis.meta.v1.APIResource.verbs']);

/** The field numbers of a message that stands for a JSON value of several types. */
export interface Union {
  /** A single schema. */
  readonly schema: number;
  readonly schemas?: number;
  readonly allows?: number;
  readonly strings?: number;
}

const prefix = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOr';

/** By the definition's name. All of them occur in JSONSchemaProps only, and mean it by "schema". */
export const unions: Readonly<Record<string, Union>> = {
  [`${prefix}Array`]: { schema: 1, schemas: 2 },
  [`${prefix}Bool`]: { allows: 1, schema: 2 },
  [`${prefix}StringArray`]: { schema: 1, strings: 2 },
};
