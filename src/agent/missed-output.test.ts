import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import type { Session } from '#client/client.ts';
import { tellingOfMissedOutput } from './missed-output.ts';

const success = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 200 } as const;

/** A session that shows `output` and then ends well. */
function sessionShowing(output: readonly string[]): Session {
  const stdout = Readable.from(output.map((each) => Buffer.from(each)));
  const done = once(stdout, 'close').then(() => success);
  return { stdin: undefined, stdout, stderr: undefined, resize: () => undefined, done, close: () => stdout.destroy() };
}

for (const [title, output, wroteAndEnded, expected] of [
  ['one that showed what was written', ['hi\n'], true, 'Success'],
  ['one on a container that wrote nothing, or goes on', [], false, 'Success'],
  ['one on a container that was quicker', [], true, 'Failure'],
] as const) {
  test(`the outcome of an attached session: ${title}`, async () => {
    const session = tellingOfMissedOutput(sessionShowing(output), () => Promise.resolve(wroteAndEnded));
    assert.ok(session.stdout);
    assert.equal(await text(session.stdout), output.join(''));
    assert.equal((await session.done).status, expected);
  });
}
