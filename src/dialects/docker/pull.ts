import { Pod } from '#api/core/pod.ts';
import type { Client } from '#client/client.ts';
import type { Clock } from '#lib/clock.ts';
import { deadline } from '#lib/deadline.ts';
import { hasReason, timeout } from '#machinery/status-error.ts';
import { parseImageReference } from '#machinery/image-reference.ts';
import { platformOf } from './container-pod.ts';
import { markPrefix, marks } from './marks.ts';
import { sha256 } from './names.ts';

export interface PullContext {
  readonly client: Client;
  readonly clock: Clock;
  readonly namespace: string;
  readonly random: () => number;
}

const pullMsMax = 15 * 60_000;
const cleanUpMsMax = 10_000;
/** Starts nothing: there is no such program in any image, and its failure shows that the image is there. */
const noProgram = '/.tutti-pull-starts-nothing';

type Verdict = { readonly ok: true } | { readonly ok: false; readonly message: string };

/** What a pod's status says of its pull; undefined while it goes on. Pure. */
export function pullVerdict({ status }: Pod): Verdict | undefined {
  const state = status?.containerStatuses?.[0]?.state;
  if (state?.running !== undefined || state?.terminated !== undefined) return { ok: true };
  const { reason = '', message = reason } = state?.waiting ?? {};
  if (/^(ErrImagePull|ImagePullBackOff|InvalidImageName|ErrImageNeverPull)$/.test(reason))
    return { ok: false, message };
  if (/^(RunContainerError|CreateContainerError|CreateContainerConfigError)$/.test(reason)) return { ok: true };
  const unplaced = status?.conditions?.find(({ type, status: holds, reason: why }) => type === 'PodScheduled' && holds === 'False' && why === 'Unschedulable'); // prettier-ignore
  return unplaced === undefined ? undefined : { ok: false, message: `no node can pull it: ${unplaced.message ?? ''}` };
}

/**
 * Has a node pull `image`, or with `Never` only look whether it has it, by a pod that lives for this alone. Resolves
 * with what came of it, and leaves no pod behind. Throws Timeout after a quarter of an hour.
 */
export async function pullImage(
  { client, clock, namespace, random }: PullContext,
  image: string,
  policy: 'Always' | 'Never',
  platform: string,
  signal: AbortSignal,
): Promise<Verdict> {
  const { canonical } = parseImageReference(image);
  const name = `docker-pull-${sha256(`${canonical}/${clock.now()}/${random()}`).slice(0, 10)}`;
  using limit = deadline(clock, pullMsMax, signal, () =>
    timeout(`Pulling ${canonical} did not end within ${pullMsMax / 60_000} minutes`),
  );
  const pod: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { [marks.pull]: 'true' }, annotations: { [`${markPrefix}image`]: canonical } },
    spec: {
      containers: [{ name: 'pull', image: canonical, imagePullPolicy: policy, command: [noProgram] }],
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 0,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      ...platformOf(platform),
    },
  };
  await client.create(Pod, pod, { signal: limit.signal });
  try {
    for (;;) {
      const watch = client.watch(Pod, { namespace, fieldSelector: `metadata.name=${name}`, signal: limit.signal });
      for await (const event of watch) {
        if (event.type === 'DELETED') return { ok: false, message: `pod "${name}" that pulled it was deleted` };
        if (event.type !== 'ADDED' && event.type !== 'MODIFIED') continue;
        const verdict = pullVerdict(event.object);
        if (verdict !== undefined) return verdict;
      }
      limit.signal.throwIfAborted();
      await clock.sleep(100, limit.signal);
    }
  } finally {
    await client
      .delete(Pod, { namespace, name }, { gracePeriodSeconds: 0, signal: AbortSignal.timeout(cleanUpMsMax) })
      .catch((error: unknown) => {
        if (!hasReason(error, 'NotFound')) throw error;
      });
  }
}
