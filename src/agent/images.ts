import type { Clock } from '#lib/clock.ts';
import { badRequest, hasReason } from '#machinery/status-error.ts';
import { parseImageReference, type ImageReference } from '#machinery/image-reference.ts';
import type { Cri } from './cri/cri.ts';
import type { AuthConfig, Image, PodSandboxConfig } from './cri/messages.generated.ts';
import type { Init } from '#lib/proto3.ts';
import { afterRestart, restartAt, type RestartBackoff } from './pod/restart-backoff.ts';
import type { ImageUser } from './container/security-context.ts';

/** An image that is here, with what starting a container from it takes. */
export interface PresentImage {
  readonly id: string;
  readonly user: ImageUser;
  readonly pulled: boolean;
}

/** A refusal in the words of a waiting container. */
export class ImageError extends Error {
  readonly reason: 'InvalidImageName' | 'ErrImageNeverPull' | 'ErrImagePull' | 'ImagePullBackOff';
  readonly retryAt: number;
  constructor(reason: ImageError['reason'], message: string, retryAt: number, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'ImageError';
    this.reason = reason;
    this.retryAt = retryAt;
  }
}

export interface ImageRequest {
  readonly image: string;
  readonly policy: string | undefined;
  /** Credentials that fit the image's registry, best first; tried in order, then without any. */
  readonly credentials: (reference: ImageReference) => Promise<readonly Init<AuthConfig>[]>;
  readonly sandbox: Init<PodSandboxConfig>;
  readonly onPull: () => void;
}

const parallelPullsMax = 4;
/** Pods whose failed pulls are remembered; beyond it the oldest are forgotten and tried at once. */
const backoffsMax = 1000;
/** A name that is none is looked at again only because the pod may be given another. */
const invalidRetryMs = 60_000;

/** Sees to it that images are here before containers need them. One pull an image at a time, few at once. */
export class Images {
  readonly #cri: Cri;
  readonly #clock: Clock;
  readonly #pulls = new Map<string, Promise<string>>();
  readonly #backoffs = new Map<string, RestartBackoff & { readonly failedAt: number; readonly message: string }>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(cri: Cri, clock: Clock) {
    this.#cri = cri;
    this.#clock = clock;
  }

  /** Throws `ImageError` while the image cannot be had. */
  async ensure(request: ImageRequest, signal: AbortSignal): Promise<PresentImage> {
    const reference = this.#parse(request.image);
    const policy = request.policy ?? (reference.canonical.endsWith(':latest') ? 'Always' : 'IfNotPresent');
    const present = policy === 'Always' ? undefined : await this.#find(reference.canonical, signal);
    if (present !== undefined) return { ...describe(present), pulled: false };
    if (policy === 'Never') {
      const here = await this.#find(reference.canonical, signal);
      if (here !== undefined) return { ...describe(here), pulled: false };
      const why = `Container image "${request.image}" is not present with pull policy of Never`;
      throw new ImageError('ErrImageNeverPull', why, this.#clock.now() + invalidRetryMs);
    }
    const ref = await this.#pull(reference, request, signal);
    const image = (await this.#find(reference.canonical, signal)) ?? (await this.#find(ref, signal));
    if (image === undefined) {
      throw new ImageError('ErrImagePull', `image ${request.image} vanished after its pull`, this.#clock.now() + 1000);
    }
    return { ...describe(image), pulled: true };
  }

  #parse(image: string): ImageReference {
    try {
      return parseImageReference(image);
    } catch (error) {
      const message = `Failed to apply default image tag "${image}": ${(error as Error).message}`;
      throw new ImageError('InvalidImageName', message, this.#clock.now() + invalidRetryMs, { cause: error });
    }
  }

  async #find(image: string, signal: AbortSignal): Promise<Image | undefined> {
    return (await this.#cri.call('ImageStatus', { image: { image } }, { signal })).image;
  }

  async #pull(reference: ImageReference, request: ImageRequest, signal: AbortSignal): Promise<string> {
    // A pod's own: a new pod is not kept waiting for the failures of another, whose credentials may have been the reason.
    const owner = `${request.sandbox.metadata?.uid ?? ''} ${reference.canonical}`;
    const backoff = this.#backoffs.get(owner);
    if (backoff !== undefined) {
      const at = restartAt(backoff, backoff.failedAt);
      if (at > this.#clock.now()) {
        throw new ImageError('ImagePullBackOff', `Back-off pulling image "${request.image}": ${backoff.message}`, at);
      }
    }
    const credentials = await request.credentials(reference);
    const same = `${reference.canonical} ${JSON.stringify(credentials)}`;
    request.onPull();
    // Others may wait for this pull too, so one waiter's end does not end it; its own bound does.
    const pull =
      this.#pulls.get(same) ??
      this.#pullNow(reference, credentials, request, signal).finally(() => this.#pulls.delete(same));
    this.#pulls.set(same, pull);
    try {
      const ref = await pull;
      this.#backoffs.delete(owner);
      return ref;
    } catch (error) {
      signal.throwIfAborted();
      const now = this.#clock.now();
      const message = `failed to pull image "${request.image}": ${(error as Error).message}`;
      this.#backoffs.delete(owner); // set anew, it is the youngest
      this.#backoffs.set(owner, { ...afterRestart(backoff, backoff?.failedAt ?? now, now), failedAt: now, message });
      const [oldest] = this.#backoffs.keys();
      if (this.#backoffs.size > backoffsMax && oldest !== undefined) this.#backoffs.delete(oldest);
      throw new ImageError('ErrImagePull', message, now + pauseBeforeBackOffMs, { cause: error });
    }
  }

  async #pullNow(
    reference: ImageReference,
    credentials: readonly Init<AuthConfig>[],
    { sandbox }: ImageRequest,
    signal: AbortSignal,
  ): Promise<string> {
    await this.#enter();
    try {
      const pull = async (auth?: Init<AuthConfig>) => {
        const { imageRef } = await this.#cri.call(
          'PullImage',
          { image: { image: reference.canonical }, sandboxConfig: sandbox, ...(auth === undefined ? {} : { auth }) },
          { signal },
        );
        if (imageRef === '') throw badRequest('the runtime named no image after the pull');
        return imageRef;
      };
      let last: unknown;
      for (const auth of credentials) {
        try {
          return await pull(auth);
        } catch (error) {
          signal.throwIfAborted();
          last = error;
          if (hasReason(error, 'NotFound')) break;
        }
      }
      if (last !== undefined) throw last;
      return await pull();
    } finally {
      this.#leave();
    }
  }

  async #enter(): Promise<void> {
    if (this.#running < parallelPullsMax) {
      this.#running++;
      return;
    }
    // The slot is handed over by the pull that leaves.
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#running--;
    else next();
  }
}

/** ErrImagePull is shown for this long before it turns into ImagePullBackOff. */
const pauseBeforeBackOffMs = 1000;

function describe({ id, uid, username }: Image): { id: string; user: ImageUser } {
  const numeric = /^\d+$/.test(username) ? Number(username) : undefined;
  return { id, user: { uid: uid === undefined ? numeric : Number(uid.value), username } };
}
