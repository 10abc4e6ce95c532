import { StatusError, type StatusReason } from '#machinery/status-error.ts';

/**
 * Which HTTP code each failure of Tutti has in Docker's API. Docker has no 422: what is invalid is a bad request.
 * `MethodNotAllowed` is how this dialect says that it does not have something of Docker's, which is 501 there.
 */
export const dockerCodes: Readonly<Record<StatusReason, number>> = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 501,
  NotAcceptable: 406,
  AlreadyExists: 409,
  Conflict: 409,
  Gone: 410,
  Expired: 500,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 400,
  TooManyRequests: 503,
  InternalError: 500,
  ServiceUnavailable: 503,
  ServerTimeout: 500,
  Timeout: 500,
  InsufficientStorage: 500,
};

/** A failure as Docker's API tells it. What is no StatusError is a fault of ours. */
export function dockerReply(error: unknown): { readonly code: number; readonly message: string } {
  if (error instanceof StatusError) return { code: dockerCodes[error.reason], message: error.message };
  return { code: 500, message: error instanceof Error ? error.message : String(error) };
}

// The texts below are matched by scripts and by the CLI itself: https://github.com/moby/moby (daemon, errors).
export const noSuchContainer = (name: string) => new StatusError('NotFound', `No such container: ${name}`);
export const noSuchImage = (image: string) => new StatusError('NotFound', `No such image: ${image}`);
export const noSuchExec = (id: string) => new StatusError('NotFound', `No such exec instance: ${id}`);
export const notRunning = (id: string) => new StatusError('Conflict', `container ${id} is not running`);
export const nameTaken = (name: string, id: string) =>
  new StatusError(
    'Conflict',
    `Conflict. The container name "/${name}" is already in use by container "${id}". You have to remove (or rename) that container to be able to reuse that name.`,
  );
/** `what` is the thing Docker has and this dialect has not; `instead` is the way out. */
export const notOffered = (what: string, instead?: string) =>
  new StatusError(
    'MethodNotAllowed',
    `Tutti's Docker API does not have ${what}${instead === undefined ? '' : `: ${instead}`}`,
  );
export const pageNotFound = () => new StatusError('NotFound', 'page not found');
