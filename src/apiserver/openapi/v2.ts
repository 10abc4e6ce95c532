/**
 * The OpenAPI v2 (Swagger) document of all kinds, made from the v3 documents. As upstream, it has no defaults and knows
 * no `oneOf`; a reference may have a description beside it. Source: k8s.io/kube-openapi/pkg/builder, PruneDefaults.
 */
import type { Kind } from '#machinery/kind.ts';
import { versionInfo } from '#machinery/version.ts';
import type { Json } from './components.ts';
import { byDocument, openapiV3Document } from './v3.ts';

/** Where v2 says something of its own. */
const definitionsOfV2: Readonly<Record<string, Json>> = {
  'io.k8s.apimachinery.pkg.api.resource.Quantity': { type: 'string' },
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': { type: 'string', format: 'int-or-string' },
};

interface V3Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Json>> };
}

export function openapiV2(kinds: readonly Kind[]): Json {
  const paths: Record<string, Json> = {};
  const definitions: Record<string, Json> = {};
  for (const document of byDocument(kinds).values()) {
    const v3 = openapiV3Document(document) as unknown as V3Document; // made just there
    for (const [path, item] of Object.entries(v3.paths)) paths[path] = pathItem(item);
    for (const [name, schema] of Object.entries(v3.components.schemas)) {
      definitions[name] ??= definitionsOfV2[name] ?? schemaOf(schema);
    }
  }
  return {
    swagger: '2.0',
    info: { title: 'Kubernetes', version: versionInfo.gitVersion },
    paths,
    definitions: Object.fromEntries(Object.entries(definitions).toSorted(([a], [b]) => (a < b ? -1 : 1))),
    securityDefinitions: {
      BearerToken: { description: 'Bearer Token authentication', type: 'apiKey', name: 'authorization', in: 'header' },
    },
    security: [{ BearerToken: [] }],
  };
}

function schemaOf(schema: Json): Json {
  const target: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(schema)) {
    switch (key) {
      case 'default':
      case 'oneOf':
      case 'anyOf':
      case 'not':
      case 'nullable':
        break;
      case '$ref':
        target['$ref'] = String(value).replace('#/components/schemas/', '#/definitions/');
        break;
      case 'allOf': {
        const [first = {}] = value as readonly Json[];
        if ('$ref' in first) Object.assign(target, schemaOf(first));
        break;
      }
      case 'items':
      case 'additionalProperties':
        target[key] = typeof value === 'boolean' ? { type: 'object' } : schemaOf(value as Json);
        break;
      case 'properties':
        target[key] = Object.fromEntries(
          Object.entries(value as Json).map(([name, each]) => [name, schemaOf(each as Json)]),
        );
        break;
      default:
        target[key] = value;
    }
  }
  return target;
}

interface V3Operation {
  readonly parameters?: readonly Json[];
  readonly requestBody?: { readonly required?: boolean; readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly description?: string; readonly content?: Content }>>;
}
type Content = Readonly<Record<string, { readonly schema: Json }>>;

function pathItem(item: Readonly<Record<string, unknown>>): Json {
  return Object.fromEntries(
    Object.entries(item).map(([key, value]) =>
      key === 'parameters'
        ? [key, (value as readonly Json[]).map(parameterOf)]
        : [key, operationOf(value as V3Operation)],
    ),
  );
}

function operationOf({ parameters = [], requestBody, responses, ...rest }: V3Operation): Json {
  const body = Object.values(requestBody?.content ?? {})[0];
  const own = [
    ...(body === undefined || requestBody === undefined
      ? []
      : [
          {
            in: 'body',
            name: 'body',
            ...(requestBody.required === true ? { required: true } : {}),
            schema: schemaOf(body.schema),
          },
        ]),
    ...parameters.map(parameterOf),
  ];
  return {
    ...rest,
    schemes: ['https'],
    consumes: requestBody === undefined ? ['*/*'] : Object.keys(requestBody.content),
    produces: Object.keys(responses['200']?.content ?? {}),
    ...(own.length === 0 ? {} : { parameters: own }),
    responses: Object.fromEntries(
      Object.entries(responses).map(([code, { description = '', content = {} }]) => {
        const schema = Object.values(content)[0]?.schema;
        return [code, { description, ...(schema === undefined ? {} : { schema: schemaOf(schema) }) }];
      }),
    ),
  };
}

/** In v2 a parameter's type stands beside its name. */
function parameterOf({ schema, ...parameter }: Json): Json {
  return { ...parameter, ...(schema as Json) };
}
