import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FieldErrorType } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { applyMergePatch } from '#machinery/patch/merge-patch.ts';
import { created } from '../samples.ts';

type Short = 'Required' | 'Invalid' | 'Duplicate' | 'Forbidden' | 'NotFound' | 'NotSupported' | 'TooLong' | 'TooMany';
/** A change to the sample, as a merge patch, and what must be said about the result: `path Type`, all of it. */
type Case = readonly [change: object, ...expected: readonly `${string} ${Short}`[]];

const short = (type: FieldErrorType) => type.replace('FieldValue', '');

/** A test that a kind's rules accept `sample`, and say what is wrong with each change of it. */
export function check(title: string, kind: Kind, sample: object, cases: readonly Case[]): void {
  test(title, () => {
    assert.deepEqual(kind.validate?.(created(kind, sample)) ?? [], [], 'the sample itself');
    const found = cases.map(([change]) => {
      const errors = kind.validate?.(created(kind, applyMergePatch(sample, change))) ?? [];
      return [change, ...errors.map(({ type, field }) => `${field} ${short(type)}`)];
    });
    assert.deepEqual(found, cases);
  });
}
