/**
 * Asks one webhook about one request.
 * Source: k8s.io/apiserver/pkg/admission/plugin/webhook (validating/dispatcher.go, mutating/dispatcher.go).
 */
import { randomUUID } from 'node:crypto';
import type { Kind } from '#machinery/kind.ts';
import { badRequest, forbiddenRequest, internalError } from '#machinery/status-error.ts';
import type { RequestContext } from '../../request.ts';
import { callWebhook, WebhookFailure } from '../../webhook-client.ts';
import type { AdmissionRequest } from '../admission.ts';
import { compiledBase, CompiledPolicies } from '../policies/compiled-policy.ts';
import { conditionsMet } from '../policies/match-conditions.ts';
import { matchedKind } from '../policies/matching.ts';
import type { Occasion } from '../policies/occasion.ts';
import { guiseOf, seenRequest, type SeenRequest } from '../policies/seen-request.ts';
import {
  BadAnswer,
  readAnswer,
  refusalBy,
  reviewText,
  reviewVersionOf,
  reviewVersions,
  type Answer,
} from './admission-review.ts';
import type { WebhookType } from './metrics.ts';
import type { Hook } from './webhook-index.ts';
import type { WebhookDependencies } from './webhooks.ts';

/** Source: k8s.io/apiserver/pkg/util/webhook: a reply may be as large as a request. */
const replyBytesMax = 3 * 1024 * 1024;
const timeoutSecondsDefault = 10;
/** Of one answer; more are cut off. */
const warningsMax = 32;
const annotationsMax = 32;

const compiledConditions = new CompiledPolicies((webhook: Hook['webhook']) =>
  compiledBase({ matchConditions: webhook.matchConditions ?? [] }),
);

export interface Asking {
  readonly type: WebhookType;
  readonly occasion: Occasion;
  readonly context: RequestContext;
  readonly from: WebhookDependencies;
  /** Where in the round it stands, for the audit log. */
  readonly place: string;
}

export interface Asked {
  readonly matched: Kind;
  readonly seen: SeenRequest;
  readonly answer: Answer;
}

/**
 * What it answers, or undefined if it is not meant, or failed and may. Throws what it refuses with, and what its
 * failure means.
 */
export async function ask(hook: Hook, request: AdmissionRequest, asking: Asking): Promise<Asked | undefined> {
  const { occasion, context, from, type, place } = asking;
  const { webhook } = hook;
  const matched = await matchedKind(hook.matching, request, occasion);
  if (matched === undefined) return undefined;
  const seen = await seenRequest(request, matched, guiseOf(request, matched, from.registry, context.signal));
  if (!(await isMeant(hook, request, seen, occasion))) return undefined;
  const { name } = webhook;
  if (request.dryRun && webhook.sideEffects !== 'None' && webhook.sideEffects !== 'NoneOnDryRun') {
    throw badRequest(`admission webhook ${JSON.stringify(name)} does not support dry run`);
  }
  const start = performance.now();
  const took = () => (performance.now() - start) / 1000;
  let answer: Answer;
  try {
    answer = await answerOf(hook, seen, asking);
  } catch (error) {
    if (!(error instanceof WebhookFailure) && !(error instanceof BadAnswer)) throw error;
    if (webhook.failurePolicy === 'Ignore') {
      from.metrics.failedOpen(type, name);
      from.metrics.answered(type, name, request.operation, took(), false);
      context.audit?.annotate(`failed-open.${annotationLead[type]}.webhook.admission.k8s.io/${place}`, name);
      return undefined;
    }
    from.metrics.answered(type, name, request.operation, took(), true);
    from.metrics.rejected(type, name, request.operation, 'calling_webhook_error', 0);
    const lead = error instanceof WebhookFailure ? 'failed to call webhook: ' : '';
    throw internalError(
      `Internal error occurred: failed calling webhook ${JSON.stringify(name)}: ${lead}${error.message}`,
      error,
    );
  }
  from.metrics.answered(type, name, request.operation, took(), !answer.allowed);
  for (const warning of answer.warnings.slice(0, warningsMax)) context.warn(warning);
  for (const [key, value] of Object.entries(answer.auditAnnotations).slice(0, annotationsMax)) {
    context.audit?.annotate(`${name}/${key}`, value);
  }
  if (!answer.allowed) {
    const refusal = refusalBy(name, answer);
    from.metrics.rejected(type, name, request.operation, 'no_error', refusal.code);
    throw refusal;
  }
  return { matched, seen, answer };
}

const annotationLead = { admit: 'mutation', validating: 'validating' } as const;

async function isMeant(
  { webhook }: Hook,
  { attributes }: AdmissionRequest,
  seen: SeenRequest,
  occasion: Occasion,
): Promise<boolean> {
  const { matchConditions = [], failurePolicy } = webhook;
  if (matchConditions.length === 0) return true;
  const compiled = compiledConditions.of(webhook);
  const inputs = {
    ...seen,
    attributes,
    params: undefined,
    namespace: undefined,
    variables: [],
    answers: occasion.answers,
  };
  const conditions = await conditionsMet(compiled.matchConditions, inputs, failurePolicy);
  if (conditions.is !== 'failed') return conditions.is === 'met';
  const { kind = { group: '', plural: '' }, name = '' } = attributes;
  throw forbiddenRequest(kind, name, conditions.message);
}

async function answerOf({ webhook }: Hook, seen: SeenRequest, { type, context, from }: Asking): Promise<Answer> {
  const version = reviewVersionOf(webhook.admissionReviewVersions);
  if (version === undefined) {
    throw new BadAnswer(`webhook does not accept known AdmissionReview versions (${reviewVersions.join(', ')})`);
  }
  const uid = randomUUID();
  const seconds = webhook.timeoutSeconds ?? timeoutSecondsDefault;
  const reply = await callWebhook(from.registry, webhook.clientConfig, reviewText(version, uid, seen), {
    signal: context.signal,
    timeoutMs: seconds * 1000,
    replyBytesMax,
    query: `timeout=${seconds}s`,
  });
  return readAnswer(reply, version, uid, type);
}
