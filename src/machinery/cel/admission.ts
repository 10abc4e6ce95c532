/**
 * The expressions of admission: what they may use, and what is said of those that cannot be compiled.
 * Source: k8s.io/apiserver/pkg/admission/plugin/cel (compile.go, composition.go) and pkg/cel/mutation.
 */
import type { ObjectSchema, Schema } from '../schema.ts';
import type { Declarations } from './check.ts';
import { CelCompileError, compileCel, type CelEnvironment, type CelProgram } from './compile.ts';
import { kubernetesFunctionsWith } from './environment.ts';
import { authorizerLibrary } from './library/authorizer.ts';
import { dyn, listOf, opaque, types, typeOfSchema, typeText, type Type } from './types.ts';

const string: Schema = { type: 'string' };
const strings: Schema = { type: 'array', items: string };
const time: Schema = { type: 'string', format: 'date-time' };
const free: Schema = { type: 'any' };

function struct(name: string, fields: Readonly<Record<string, Schema>>): ObjectSchema {
  return {
    type: 'object',
    name,
    required: [],
    fields: Object.fromEntries(Object.entries(fields).map(([field, schema]) => [field, { schema }])),
  };
}

const kindSchema = struct('kubernetes.GroupVersionKind', { group: string, version: string, kind: string });
const resourceSchema = struct('kubernetes.GroupVersionResource', { group: string, version: string, resource: string });
const requestSchema = struct('kubernetes.AdmissionRequest', {
  kind: kindSchema,
  resource: resourceSchema,
  subResource: string,
  requestKind: kindSchema,
  requestResource: resourceSchema,
  requestSubResource: string,
  name: string,
  namespace: string,
  operation: string,
  userInfo: struct('kubernetes.UserInfo', {
    username: string,
    uid: string,
    groups: strings,
    extra: { type: 'map', values: strings },
  }),
  dryRun: { type: 'boolean' },
  options: free,
});
const namespaceSchema = struct('kubernetes.Namespace', {
  metadata: struct('kubernetes.NamespaceMetadata', {
    name: string,
    generateName: string,
    namespace: string,
    labels: { type: 'map', values: string },
    annotations: { type: 'map', values: string },
    UID: string,
    creationTimestamp: time,
    deletionGracePeriodSeconds: { type: 'integer' },
    deletionTimestamp: time,
    generation: { type: 'integer' },
    resourceVersion: string,
    finalizers: strings,
  }),
  spec: struct('kubernetes.NamespaceSpec', { finalizers: strings }),
  status: struct('kubernetes.NamespaceStatus', {
    conditions: {
      type: 'array',
      items: struct('kubernetes.NamespaceCondition', {
        status: string,
        type: string,
        lastTransitionTime: time,
        message: string,
        reason: string,
      }),
    },
    phase: string,
  }),
});

const patchType = typeOfSchema(struct('JSONPatch', { op: string, path: string, from: string, value: free }));
const objectType: Type = { kind: 'built', name: 'Object' };
/** `Object`, `Object.spec`, `Object.spec.template` … and `JSONPatch`. */
const patchStructs = (name: string): Type | undefined =>
  name === 'JSONPatch'
    ? patchType
    : name === 'Object' || name.startsWith('Object.')
      ? { kind: 'built', name }
      : undefined;

/** What each kind of expression must give; anything where it is left out. */
const results = {
  condition: [types.bool],
  message: [types.string],
  annotation: [types.string, types.null],
  variable: [],
  jsonPatch: [listOf(patchType)],
  applyConfiguration: [objectType],
} as const satisfies Readonly<Record<string, readonly Type[]>>;
export type ExpressionUse = keyof typeof results;

export interface AdmissionDeclarations {
  readonly hasParams: boolean;
  /** False where a variable `authorizer` is not known: messages. */
  readonly hasAuthorizer: boolean;
  /** The types of variables that stand before, by name; undefined where `variables` is not known. */
  readonly variables?: Readonly<Record<string, Type>>;
  /** Of what is looked at and of params, where that is known. */
  readonly object?: Type;
  readonly params?: Type;
}

const functions = kubernetesFunctionsWith(authorizerLibrary);
const noVariables = typeOfSchema(struct('kubernetes.variables', {}));

function environmentOf(use: ExpressionUse, declared: AdmissionDeclarations): CelEnvironment {
  const { hasParams, hasAuthorizer, variables: composed, object = dyn, params = dyn } = declared;
  const variables: Declarations = {
    object,
    oldObject: object,
    request: typeOfSchema(requestSchema),
    namespaceObject: typeOfSchema(namespaceSchema),
    ...(hasParams ? { params } : {}),
    ...(hasAuthorizer
      ? {
          authorizer: opaque('kubernetes.authorization.Authorizer'),
          'authorizer.requestResource': opaque('kubernetes.authorization.ResourceCheck'),
        }
      : {}),
    ...(composed === undefined ? {} : { variables: noVariables }),
    ...Object.fromEntries(Object.entries(composed ?? {}).map(([name, type]) => [`variables.${name}`, type])),
  };
  const patches = use === 'jsonPatch' || use === 'applyConfiguration';
  return { variables, functions, ...(patches ? { structs: patchStructs } : {}) };
}

/** Throws CelCompileError with upstream's words. */
export function compileAdmission(source: string, use: ExpressionUse, declared: AdmissionDeclarations): CelProgram {
  let program: CelProgram;
  try {
    program = compileCel(source, environmentOf(use, declared));
  } catch (error) {
    if (error instanceof CelCompileError) throw new CelCompileError(`compilation failed: ${error.message}`);
    throw error;
  }
  const wanted: readonly string[] = results[use].map(typeText);
  const given = typeText(program.type);
  if (wanted.length === 0 || wanted.includes(given)) return program;
  throw new CelCompileError(
    wanted.length === 1
      ? `must evaluate to ${wanted[0]} but got ${given}`
      : `must evaluate to one of [${wanted.join(' ')}] but got ${given}`,
  );
}

/** What is wrong with an expression on objects of a known type, whatever it gives; undefined if nothing is. */
export function typeProblem(source: string, declared: AdmissionDeclarations): string | undefined {
  try {
    compileCel(source, environmentOf('variable', declared));
    return undefined;
  } catch (error) {
    if (error instanceof CelCompileError) return error.message;
    throw error;
  }
}

/** The types of variables, in their order; `dyn` for those that are wrong. */
export function variableTypes(
  variables: readonly { readonly name: string; readonly expression: string }[],
  declared: AdmissionDeclarations,
): Readonly<Record<string, Type>> {
  const typed = new Map<string, Type>();
  for (const { name, expression } of variables) {
    const environment = environmentOf('variable', { ...declared, variables: Object.fromEntries(typed) });
    let type = dyn;
    try {
      ({ type } = compileCel(expression, environment));
    } catch (error) {
      if (!(error instanceof CelCompileError)) throw error;
    }
    typed.set(name, type);
  }
  return Object.fromEntries(typed);
}
