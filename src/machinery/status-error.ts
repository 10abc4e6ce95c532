import type { FieldError } from './field-error.ts';

/**
 * Every failure a caller can handle, with its HTTP code, in one table.
 * Source: k8s.io/apimachinery/pkg/apis/meta/v1 (StatusReason) and api/errors.
 */
export const statusCodes = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  AlreadyExists: 409,
  Conflict: 409,
  Gone: 410,
  Expired: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 422,
  TooManyRequests: 429,
  InternalError: 500,
  ServiceUnavailable: 503,
  ServerTimeout: 500,
  Timeout: 504,
  InsufficientStorage: 507,
} as const;

export type StatusReason = keyof typeof statusCodes;

export interface StatusCause {
  readonly reason?: string;
  readonly message?: string;
  readonly field?: string;
}

export interface StatusDetails {
  readonly name?: string;
  readonly group?: string;
  readonly kind?: string;
  readonly uid?: string;
  readonly causes?: readonly StatusCause[];
  readonly retryAfterSeconds?: number;
}

/** The `v1 Status` object as it goes over the wire. */
export interface Status {
  readonly kind: 'Status';
  readonly apiVersion: 'v1';
  readonly metadata: { readonly continue?: string; readonly resourceVersion?: string };
  readonly status: 'Success' | 'Failure';
  readonly message?: string;
  readonly reason?: string;
  readonly details?: StatusDetails;
  readonly code: number;
}

/** A failure the caller must handle. Ask for its reason with `hasReason()`, never for its text. */
export class StatusError extends Error {
  readonly reason: StatusReason;
  readonly code: number;
  readonly details: StatusDetails | undefined;
  /** A fresh continue token, on an expired list. */
  readonly continue: string | undefined;

  constructor(
    reason: StatusReason,
    message: string,
    options: { details?: StatusDetails; code?: number; continue?: string; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'StatusError';
    this.reason = reason;
    this.code = options.code ?? statusCodes[reason];
    this.details = options.details;
    this.continue = options.continue;
  }

  toStatus(): Status {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: this.continue === undefined ? {} : { continue: this.continue },
      status: 'Failure',
      message: this.message,
      reason: this.reason,
      ...(this.details === undefined ? {} : { details: this.details }),
      code: this.code,
    };
  }

  /** Turns a Status read from the wire back into the error it was. */
  static from(status: Partial<Status>): StatusError {
    const reason = status.reason !== undefined && status.reason in statusCodes ? status.reason : 'InternalError';
    return new StatusError(reason as StatusReason, status.message ?? 'unknown error', {
      ...(status.details === undefined ? {} : { details: status.details }),
      ...(status.code === undefined ? {} : { code: status.code }),
      ...(status.metadata?.continue === undefined ? {} : { continue: status.metadata.continue }),
    });
  }
}

/** True if `error` is a StatusError with one of `reasons`. */
export function hasReason(error: unknown, ...reasons: readonly StatusReason[]): error is StatusError {
  return error instanceof StatusError && reasons.includes(error.reason);
}

/** The resource an error speaks of: its group and plural, as kubectl prints them (`deployments.apps`). */
export interface ResourceName {
  readonly group: string;
  readonly plural: string;
}

const qualified = ({ group, plural }: ResourceName) => (group === '' ? plural : `${plural}.${group}`);
/** Upstream puts the resource's plural into `details.kind`. */
const detailsOf = ({ group, plural }: ResourceName, name: string): StatusDetails => ({
  ...(name === '' ? {} : { name }),
  ...(group === '' ? {} : { group }),
  kind: plural,
});

export const badRequest = (message: string, cause?: unknown) => new StatusError('BadRequest', message, { cause });
export const unauthorized = (message = 'Unauthorized') => new StatusError('Unauthorized', message);
export const forbiddenRequest = (resource: ResourceName, name: string, detail: string) =>
  new StatusError('Forbidden', `${qualified(resource)}${name === '' ? '' : ` "${name}"`} is forbidden: ${detail}`, {
    details: detailsOf(resource, name),
  });
export const notFoundError = (resource: ResourceName, name: string) =>
  new StatusError('NotFound', `${qualified(resource)} "${name}" not found`, { details: detailsOf(resource, name) });
export const alreadyExists = (resource: ResourceName, name: string) =>
  new StatusError('AlreadyExists', `${qualified(resource)} "${name}" already exists`, {
    details: detailsOf(resource, name),
  });
export const conflict = (resource: ResourceName, name: string, detail: string) =>
  new StatusError('Conflict', `Operation cannot be fulfilled on ${qualified(resource)} "${name}": ${detail}`, {
    details: detailsOf(resource, name),
  });
/** The text kubectl and client-go show for an outdated resourceVersion. */
export const modifiedConflict = (resource: ResourceName, name: string) =>
  conflict(
    resource,
    name,
    'the object has been modified; please apply your changes to the latest version and try again',
  );
export const expired = (message: string, continueToken?: string) =>
  new StatusError('Expired', message, continueToken === undefined ? {} : { continue: continueToken });
export const unsupportedMediaType = (message: string) => new StatusError('UnsupportedMediaType', message);
export const notAcceptable = (message: string) => new StatusError('NotAcceptable', message);
export const methodNotAllowed = (message: string) => new StatusError('MethodNotAllowed', message);
export const tooLarge = (message: string) => new StatusError('RequestEntityTooLarge', message);
/** With 0 seconds it names no time after which to try again. */
export const tooManyRequests = (message: string, retryAfterSeconds: number, causes?: readonly StatusCause[]) =>
  new StatusError('TooManyRequests', message, {
    details: { ...(retryAfterSeconds === 0 ? {} : { retryAfterSeconds }), ...(causes === undefined ? {} : { causes }) },
  });
export const timeout = (message: string, details?: StatusDetails) =>
  new StatusError('Timeout', message, details === undefined ? {} : { details });
export const unavailable = (message: string, cause?: unknown) =>
  new StatusError('ServiceUnavailable', message, { cause });
export const internalError = (message: string, cause?: unknown) => new StatusError('InternalError', message, { cause });

/** `Deployment.apps "x" is invalid: [spec.a: Required value, spec.b: …]`, with a cause per field. */
export function invalidObject(
  kind: { group: string; kind: string },
  name: string,
  errors: readonly FieldError[],
): StatusError {
  const texts = [...new Set(errors.map(({ field, message }) => `${field}: ${message}`))];
  const what = kind.group === '' ? kind.kind : `${kind.kind}.${kind.group}`;
  return new StatusError(
    'Invalid',
    `${what} "${name}" is invalid: ${texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`}`,
    {
      details: {
        ...(name === '' ? {} : { name }),
        ...(kind.group === '' ? {} : { group: kind.group }),
        kind: kind.kind,
        causes: errors.map(({ type, field, message }) => ({ reason: type, message, field })),
      },
    },
  );
}
