import type { RequestContext } from '../../request.ts';
import type { AdmissionRequest } from '../admission.ts';
import { Occasion } from '../policies/occasion.ts';
import { ask } from './ask.ts';
import type { Hook } from './webhook-index.ts';
import type { WebhookDependencies } from './webhooks.ts';

/** Asks all at the same time: none of them can change anything. Throws what the first of those that refuse says. */
export async function validateByWebhooks(
  hooks: readonly Hook[],
  request: AdmissionRequest,
  context: RequestContext,
  from: WebhookDependencies,
): Promise<void> {
  const occasion = new Occasion(request, context, from);
  const outcomes = await Promise.allSettled(
    hooks.map((hook, index) =>
      ask(hook, request, { type: 'validating', occasion, context, from, place: `round_0_index_${index}` }),
    ),
  );
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}
