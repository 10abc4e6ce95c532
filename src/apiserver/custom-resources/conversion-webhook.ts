/**
 * Conversion of custom resources by the webhook of their definition. All objects of a reply go in one call; what comes
 * back must be the same objects, of which only labels and annotations of the metadata may differ.
 * Source: apiextensions-apiserver pkg/apiserver/conversion (webhook_converter.go).
 */
import { randomUUID } from 'node:crypto';
import { reviewVersions } from '#api/rules/webhook-rules.ts';
import type { WebhookConversion } from '#api/apiextensions/types.generated.ts';
import { apiVersionOf, type Kind } from '#machinery/kind.ts';
import { formatJson, parseJson } from '#machinery/json.ts';
import type { ApiObject } from '#machinery/object.ts';
import { internalError } from '#machinery/status-error.ts';
import { isObject } from '#machinery/structural/json-schema.ts';
import type { ConverterOf, Registry } from '../registry/registry.ts';
import type { Converter } from '../registry/versioned-resource.ts';
import { callWebhook } from '../webhook-client.ts';

const timeoutMs = 30_000;
const replyBytesMax = 64 * 1024 * 1024;

/** Converters for families whose definition names a webhook. */
export function webhookConverters(registry: () => Registry): ConverterOf {
  return ({ webhook }) => (webhook === undefined ? undefined : converterOf(webhook as WebhookConversion, registry)); // as the definition has it
}

function converterOf(
  { clientConfig = {}, conversionReviewVersions }: WebhookConversion,
  registry: () => Registry,
): Converter {
  const version = conversionReviewVersions.find((each) => reviewVersions.some((known) => known === each)) ?? 'v1';
  return async (objects, to, signal) => {
    const wanted = apiVersionOf(to);
    const foreign = objects.filter(({ apiVersion }) => apiVersion !== wanted);
    if (foreign.length === 0) return objects;
    const what = `${foreign[0]?.apiVersion}, Kind=${to.kind}`;
    const uid = randomUUID();
    const review = {
      kind: 'ConversionReview',
      apiVersion: `apiextensions.k8s.io/${version}`,
      request: { uid, desiredAPIVersion: wanted, objects: foreign },
    };
    let reply: unknown;
    try {
      reply = parseJson(
        await callWebhook(registry(), clientConfig, formatJson(review), { signal, timeoutMs, replyBytesMax }),
      );
    } catch (error) {
      if (signal.aborted) throw error;
      throw failed(what, error instanceof Error ? error.message : String(error), error);
    }
    const converted = convertedBy(reply, { uid, what, count: foreign.length });
    const results = foreign.map((object, index) => checked(object, converted[index], to, what)).values();
    return objects.map((object) => (object.apiVersion === wanted ? object : results.next().value!));
  };
}

const failed = (what: string, why: string, cause?: unknown) =>
  internalError(`conversion webhook for ${what} failed: ${why}`, cause);

function convertedBy(
  reply: unknown,
  { uid, what, count }: { readonly uid: string; readonly what: string; readonly count: number },
): readonly unknown[] {
  const response = isObject(reply) && isObject(reply['response']) ? reply['response'] : undefined;
  if (response === undefined) throw failed(what, 'the reply is no ConversionReview with a response');
  if (response['uid'] !== uid) {
    throw failed(what, `expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response['uid'])}`);
  }
  const result = isObject(response['result']) ? response['result'] : {};
  if (result['status'] !== 'Success') {
    const { message = '' } = result;
    throw failed(
      what,
      typeof message === 'string' && message !== '' ? message : 'response.result.status was not Success',
    );
  }
  const objects = response['convertedObjects'];
  if (!Array.isArray(objects) || objects.length !== count) {
    const found = Array.isArray(objects) ? objects.length : 0;
    throw internalError(`conversion webhook for ${what} returned ${found} objects, expected ${count}`);
  }
  return objects as readonly unknown[];
}

/** The converted object with the metadata of the one it was made of; throws InternalError if it is another one. */
function checked(from: ApiObject, converted: unknown, to: Kind, what: string): ApiObject {
  const bad = (why: string) =>
    internalError(`conversion webhook for ${what} returned invalid converted object: ${why}`);
  if (!isObject(converted)) throw bad('it is no object');
  const object: ApiObject = converted;
  if (object.apiVersion !== apiVersionOf(to)) {
    throw bad(`invalid groupVersion (expected ${apiVersionOf(to)}, received ${String(object.apiVersion)})`);
  }
  if (object.kind !== from.kind) throw bad(`must have the same kind: ${object.kind} != ${from.kind}`);
  for (const field of ['name', 'namespace', 'uid'] as const) {
    const [now, before] = [object.metadata?.[field], from.metadata?.[field]];
    if ((now ?? '') !== (before ?? '')) throw bad(`must have the same ${field}: ${now} != ${before}`);
  }
  const { labels: _l, annotations: _a, ...kept } = from.metadata ?? {};
  const { labels, annotations } = object.metadata ?? {};
  const pruned = to.custom!.prune({
    ...object,
    metadata: {
      ...kept,
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
    },
  });
  return pruned as ApiObject;
}
