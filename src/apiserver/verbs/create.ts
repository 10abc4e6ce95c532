import { generatedName } from '#machinery/generated-name.ts';
import { metadataErrors } from '#machinery/metadata-rules.ts';
import { StatusError, badRequest, hasReason, invalidObject } from '#machinery/status-error.ts';
import type { ApiObject } from '#machinery/object.ts';
import { inNamespace, stampNew } from '../registry/object-meta.ts';
import { trackedCreate } from './field-managers.ts';
import { charged, committed, withReservations, type Pipeline, type WriteCall } from './pipeline.ts';

/** How often a generated name that is taken is generated anew. */
const generateAttemptsMax = 8;

/** Makes a new object out of one that conforms to its kind. Throws AlreadyExists, Invalid and what admission throws. */
export async function createObject<T extends ApiObject>(pipeline: Pipeline, call: WriteCall<T>, body: T): Promise<T> {
  const { kind, attributes } = call;
  const object = inNamespace(kind, body, attributes.namespace);
  const { resourceVersion = '', name = '', generateName = '' } = object.metadata ?? {};
  if (resourceVersion !== '' && resourceVersion !== '0') {
    throw badRequest('resourceVersion should not be set on objects to be created');
  }
  if (name !== '' || generateName === '') return createNamed(pipeline, call, object, name);
  for (let attempt = 1; ; attempt++) {
    try {
      return await createNamed(pipeline, call, object, generatedName(generateName, pipeline.random));
    } catch (error) {
      if (!hasReason(error, 'AlreadyExists')) throw error;
      if (attempt === generateAttemptsMax) throw exhausted(error);
    }
  }
}

function exhausted(error: StatusError): StatusError {
  return new StatusError(
    'AlreadyExists',
    `${error.message}, the server was not able to generate a unique name for the object`,
    { details: { ...error.details, retryAfterSeconds: 1 } },
  );
}

async function createNamed<T extends ApiObject>(
  pipeline: Pipeline,
  call: WriteCall<T>,
  body: T,
  name: string,
): Promise<T> {
  const { kind, attributes, context, dryRun } = call;
  const { signal } = context;
  const { clock, admission, registry } = pipeline;
  const ref = attributes.namespace === undefined ? { name } : { namespace: attributes.namespace, name };
  const stamped = trackedCreate(
    call,
    stampNew(kind, body, ref, { now: clock.now(), uid: pipeline.newUid() }),
    clock.now(),
  );
  const request = {
    attributes: { ...attributes, name },
    operation: 'CREATE' as const,
    stored: undefined,
    dryRun,
  };
  const admitted = await admission.mutate({ ...request, object: stamped }, context);
  const prepared = kind.prepareForCreate?.(admitted) ?? admitted;
  const object = kind.defaults?.(prepared) ?? prepared;
  const write = async (complete: T) => {
    await kind.load?.(complete);
    const errors = [...metadataErrors(kind, complete), ...(kind.validate?.(complete) ?? [])];
    if (errors.length > 0) throw invalidObject(kind, name, errors);
    for (const text of kind.warn?.(complete, undefined) ?? []) context.warn(text);
    await admission.validate({ ...request, object: complete }, context);
    const resource = registry.of(kind);
    return charged(pipeline, { ...request, object: complete }, signal, async (alongside) => {
      if (!dryRun) return committed(await resource.insert(ref, complete, signal, alongside));
      resource.layout.encode(complete);
      await resource.mustBeAbsent(ref, signal);
      return { object: complete };
    });
  };
  return withReservations(pipeline, call, object, undefined, write);
}
