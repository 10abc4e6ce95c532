import { isDeepStrictEqual } from 'node:util';
import type { ApiObject } from '#machinery/object.ts';
import { applyJsonPatch } from '#machinery/patch/json-patch.ts';
import { internalError, StatusError } from '#machinery/status-error.ts';
import type { RequestContext } from '../../request.ts';
import type { AdmissionRequest } from '../admission.ts';
import { changedObject } from '../changed-object.ts';
import { Occasion } from '../policies/occasion.ts';
import { guiseOf } from '../policies/seen-request.ts';
import { ask, type Asked, type Asking } from './ask.ts';
import type { Hook } from './webhook-index.ts';
import type { WebhookDependencies } from './webhooks.ts';

type Mutable = AdmissionRequest & { readonly object: ApiObject };

/** What has run already, so that it runs again only where it may. */
interface Memory {
  readonly invoked: Set<string>;
  readonly again: Set<string>;
  last: ApiObject | undefined;
}

/** Asks one after the other, each about what those before it have made of the object. */
export async function mutateByWebhooks(
  hooks: readonly Hook[],
  request: Mutable,
  context: RequestContext,
  from: WebhookDependencies,
): Promise<ApiObject> {
  const { reinvocation } = request;
  const memory = reinvocation?.state<Memory>('MutatingAdmissionWebhook', () => ({
    invoked: new Set(),
    again: new Set(),
    last: undefined,
  }));
  const runEarlierAgain = () => {
    for (const key of memory?.invoked ?? []) memory?.again.add(key);
    memory?.invoked.clear();
  };
  const isSecond = reinvocation?.isSecond === true;
  let { object } = request;
  if (isSecond && !isDeepStrictEqual(memory?.last, object)) runEarlierAgain();
  for (const [index, hook] of hooks.entries()) {
    if (isSecond && memory?.again.has(hook.key) !== true) continue;
    const current = { ...request, object };
    const occasion = new Occasion(current, context, from);
    const place = `round_${isSecond ? 1 : 0}_index_${index}`;
    const asked = await ask(hook, current, { type: 'admit', occasion, context, from, place });
    if (asked === undefined) continue;
    const changed = await changedBy(hook, asked, current, { context, from });
    const isChanged = changed !== object && !isDeepStrictEqual(changed, object);
    context.audit?.annotate(
      `mutation.webhook.admission.k8s.io/${place}`,
      JSON.stringify({ configuration: hook.configuration, webhook: hook.webhook.name, mutated: isChanged }),
    );
    if (isChanged) {
      object = changed;
      runEarlierAgain();
      reinvocation?.want();
    }
    if (hook.webhook.reinvocationPolicy === 'IfNeeded') memory?.invoked.add(hook.key);
  }
  if (memory !== undefined) memory.last = object;
  return object;
}

/** The same where there is nothing to change. */
export async function askMutating(
  hooks: readonly Hook[],
  request: AdmissionRequest,
  context: RequestContext,
  from: WebhookDependencies,
): Promise<void> {
  const occasion = new Occasion(request, context, from);
  for (const [index, hook] of hooks.entries()) {
    const asked = await ask(hook, request, { type: 'admit', occasion, context, from, place: `round_0_index_${index}` });
    if (asked?.answer.patch === undefined) continue;
    throw internalError(
      `Internal error occurred: admission webhook ${JSON.stringify(hook.webhook.name)} attempted to modify the object, which is not supported for this operation`,
    );
  }
}

async function changedBy(
  hook: Hook,
  { answer, seen, matched }: Asked,
  request: Mutable,
  { context, from }: Pick<Asking, 'context' | 'from'>,
): Promise<ApiObject> {
  const { object: before } = seen;
  if (answer.patch === undefined || answer.patch.length === 0 || before === undefined) return request.object;
  try {
    const changed = changedObject(applyJsonPatch(before, answer.patch), before, matched, 'Ignore');
    const guise = guiseOf(request, matched, from.registry, context.signal);
    return await guise.takeBack(changed, request.object);
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    throw internalError(
      `Internal error occurred: patch of admission webhook ${JSON.stringify(hook.webhook.name)} cannot be applied: ${error.message}`,
      error,
    );
  }
}
