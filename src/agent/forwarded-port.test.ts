import assert from 'node:assert/strict';
import { duplexPair } from 'node:stream';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { hasReason } from '#machinery/status-error.ts';
import { ForwardedPort } from './forwarded-port.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));
const isRefusal = (error: unknown) => hasReason(error, 'ServiceUnavailable') && error.message === 'connection refused';

/** The two streams of a forwarded connection, and the runtime's ends of them. */
function connection() {
  const [data, runtimeData] = duplexPair();
  const [errors, runtimeErrors] = duplexPair();
  return { port: new ForwardedPort(data, errors), data: runtimeData, errors: runtimeErrors };
}

test('data passes both ways, and each side ends on its own', async () => {
  const { port, data, errors } = connection();
  port.end('question');
  assert.equal(await text(data), 'question');
  data.end('answer');
  errors.end();
  assert.equal(await text(port), 'answer');
});

test('a failure that is told after the end of the data is still a failure', async () => {
  const { port, data, errors } = connection();
  const reading = text(port);
  data.end();
  await turn();
  errors.end('connection refused\n');
  await assert.rejects(reading, isRefusal);
});

test('a failure that is told before anybody reads waits for the reader', async () => {
  const { port, data, errors } = connection();
  errors.end('connection refused');
  data.end();
  for (let n = 0; n < 5; n++) await turn();
  await assert.rejects(text(port), isRefusal);
});

test('data that is cut off is no orderly end', async () => {
  const { port, errors } = connection();
  const reading = text(port);
  errors.end();
  await turn();
  port.destroy(new Error('lost'));
  await assert.rejects(reading, /lost/);
});
