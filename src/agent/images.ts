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
    const key = reference.canonical;
    const backoff = this.#backoffs.get(key);
    const now = this.#clock.now();
    if (backoff !== undefined) {
      const at = restartAt(backoff, backoff.failedAt);
      if (at > now) {
        throw new ImageError('ImagePullBackOff', `Back-off pulling image "${request.image}": ${backoff.message}`, at);
      }
    }
    const running = this.#pulls.get(key);
    if (running !== undefined) return running;
    request.onPull();
    // Others may wait for this pull too, so one waiter's end does not end it; its own bound does.
    const pull = this.#pullNow(reference, request, signal).finally(() => this.#pulls.delete(key));
    this.#pulls.set(key, pull);
    return pull;
  }

  async #pullNow(reference: ImageReference, request: ImageRequest, signal: AbortSignal): Promise<string> {
    const key = reference.canonical;
    await this.#enter();
    try {
      const ref = await this.#pullWith(reference, request, signal);
      this.#backoffs.delete(key);
      return ref;
    } catch (error) {
      signal.throwIfAborted();
      const now = this.#clock.now();
      const message = `failed to pull image "${request.image}": ${(error as Error).message}`;
      const before = this.#backoffs.get(key);
      this.#backoffs.set(key, { ...afterRestart(before, before?.failedAt ?? now, now), failedAt: now, message });
      throw new ImageError('ErrImagePull', message, now + pauseBeforeBackOffMs, { cause: error });
    } finally {
      this.#leave();
    }
  }

  async #pullWith(reference: ImageReference, request: ImageRequest, signal: AbortSignal): Promise<string> {
    const image = { image: reference.canonical };
    const pull = async (auth?: Init<AuthConfig>) => {
      const { imageRef } = await this.#cri.call(
        'PullImage',
        { image, sandboxConfig: request.sandbox, ...(auth === undefined ? {} : { auth }) },
        { signal },
      );
      if (imageRef === '') throw badRequest('the runtime named no image after the pull');
      return imageRef;
    };
    let last: unknown;
    for (const auth of await request.credentials(reference)) {
      try {
        return await pull(auth);
      } catch (error) {
        signal.throwIfAborted();
        last = error;
        if (hasReason(error, 'NotFound')) break;
      }
    }
    if (last !== undefined) throw last;
    return pull();
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
