/**
 * What webhooks are asked and how they answer: AdmissionReview, in v1 and v1beta1.
 * Source: k8s.io/apiserver/pkg/admission/plugin/webhook/request (admissionreview.go) and errors (statuserror.go).
 */
import { Buffer } from 'node:buffer';
import type { WebhookType } from './metrics.ts';
import { formatJson, parseJson } from '#machinery/json.ts';
import { StatusError, type StatusReason } from '#machinery/status-error.ts';
import { isObject } from '#machinery/structural/json-schema.ts';
import type { SeenRequest } from '../policies/seen-request.ts';

export const reviewVersions = ['v1', 'v1beta1'] as const;
type ReviewVersion = (typeof reviewVersions)[number];

/** An answer that counts. */
export interface Answer {
  readonly allowed: boolean;
  /** Operations of a JSON patch, if it wants changes. */
  readonly patch: readonly unknown[] | undefined;
  readonly warnings: readonly string[];
  readonly auditAnnotations: Readonly<Record<string, string>>;
  /** Why it refuses, as it says. */
  readonly result: Readonly<Record<string, unknown>>;
}

/** It answered, but with something that is no answer. */
export class BadAnswer extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'BadAnswer';
  }
}

/** The first version that both understand. */
export const reviewVersionOf = (versions: readonly string[]): ReviewVersion | undefined =>
  versions.flatMap((version) => reviewVersions.filter((known) => known === version))[0];

export function reviewText(version: ReviewVersion, uid: string, { object, oldObject, request }: SeenRequest): string {
  const { options, ...rest } = request;
  return formatJson({
    kind: 'AdmissionReview',
    apiVersion: `admission.k8s.io/${version}`,
    request: { uid, ...rest, object: object ?? null, oldObject: oldObject ?? null, options: options ?? null },
  });
}

/** Reads a reply. Throws BadAnswer. */
export function readAnswer(reply: Uint8Array, version: ReviewVersion, uid: string, type: WebhookType): Answer {
  let review: unknown;
  try {
    review = parseJson(reply);
  } catch (error) {
    throw new BadAnswer((error as Error).message);
  }
  const response = isObject(review) ? review['response'] : undefined;
  if (!isObject(review) || !isObject(response)) throw new BadAnswer('webhook response was absent');
  if (version === 'v1') {
    if (response['uid'] !== uid) {
      throw new BadAnswer(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response['uid'] ?? '')}`);
    }
    const wanted = 'admission.k8s.io/v1';
    if (review['apiVersion'] !== wanted || review['kind'] !== 'AdmissionReview') {
      const found = [review['apiVersion'], review['kind']].map((each) => (typeof each === 'string' ? each : ''));
      throw new BadAnswer(`expected webhook response of ${wanted}, Kind=AdmissionReview, got ${found.join(', Kind=')}`);
    }
  }
  const { status, warnings, auditAnnotations } = response;
  return {
    allowed: response['allowed'] === true,
    patch: patchOf(response, version, type),
    warnings: Array.isArray(warnings) ? warnings.filter((each) => typeof each === 'string') : [],
    auditAnnotations: isObject(auditAnnotations)
      ? Object.fromEntries(
          Object.entries(auditAnnotations).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
        )
      : {},
    result: isObject(status) ? status : {},
  };
}

function patchOf(
  { patch = '', patchType }: Readonly<Record<string, unknown>>,
  version: ReviewVersion,
  type: WebhookType,
): readonly unknown[] | undefined {
  if (typeof patch !== 'string') throw new BadAnswer('response.patch is no text in base64');
  if (type === 'validating') {
    if (version === 'v1beta1') return undefined;
    if (patch !== '') throw new BadAnswer('validating webhook may not return response.patch');
    if (patchType !== undefined) throw new BadAnswer('validating webhook may not return response.patchType');
    return undefined;
  }
  if (version === 'v1') {
    if (patch !== '' && patchType === undefined) {
      throw new BadAnswer('webhook returned response.patch but not response.patchType');
    }
    if (patch === '' && patchType !== undefined) {
      throw new BadAnswer('webhook returned response.patchType but not response.patch');
    }
    if (patchType === '') throw new BadAnswer('webhook returned invalid response.patchType of ""');
  }
  if (patch === '') return undefined;
  if (patchType !== undefined && patchType !== 'JSONPatch') {
    throw new BadAnswer(`unsupported patch type ${JSON.stringify(patchType)}`);
  }
  let operations: unknown;
  try {
    operations = parseJson(Buffer.from(patch, 'base64'));
  } catch (error) {
    throw new BadAnswer((error as Error).message);
  }
  if (!Array.isArray(operations)) throw new BadAnswer('response.patch is no list of operations');
  return operations;
}

const badRequestCode = 400;

/** The refusal that a client gets, in the webhook's words. */
export function refusalBy(name: string, { result }: Answer): StatusError {
  const deniedBy = `admission webhook ${JSON.stringify(name)} denied the request`;
  const { message, reason, code, details } = result;
  const why = [message, reason].find((each): each is string => typeof each === 'string' && each !== '');
  const number = typeof code === 'number' && Number.isInteger(code) && code < 600 ? code : 0;
  return new StatusError(
    (typeof reason === 'string' ? reason : '') as StatusReason, // a webhook may have reasons of its own
    why === undefined ? `${deniedBy} without explanation` : `${deniedBy}: ${why}`,
    {
      code: Math.max(badRequestCode, number),
      ...(isObject(details) ? { details } : {}),
    },
  );
}
