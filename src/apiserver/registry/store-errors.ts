import { Conflict, Expired, Future, StoreUnavailable } from '#store/store.ts';
import { StatusError, expired, timeout, unavailable } from '#machinery/status-error.ts';

/** A resourceVersion that this server has not reached: clients retry or list anew. Source: apiserver/pkg/storage/errors.go. */
export function tooLargeVersion(wanted: bigint, current: bigint): StatusError {
  return timeout(`Too large resource version: ${wanted}, current: ${current}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  });
}

/**
 * The StatusError for a failure of the store. `Conflict` is left alone: only the caller knows whether to try again,
 * and what the conflict means.
 */
export function storeError(error: unknown): unknown {
  if (error instanceof Expired)
    return expired(`The resourceVersion for the provided watch is too old. ${error.message}`);
  if (error instanceof Future) return tooLargeVersion(error.current, error.current);
  if (error instanceof StoreUnavailable) {
    return error.reason === 'disk-full'
      ? new StatusError('InsufficientStorage', error.message, { cause: error })
      : unavailable(error.message, error);
  }
  return error;
}

/** Runs a call of the store and translates what it throws. */
export async function fromStore<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw storeError(error);
  }
}

export const isConflict = (error: unknown): error is Conflict => error instanceof Conflict;
