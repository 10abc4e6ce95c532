import assert from 'node:assert/strict';
import { test } from 'node:test';
import { redactFields, redactText } from './redact.ts';

const canary = 'CANARYaZ09-_xyz';

test('redactText() hides what proves an identity, however it is written', () => {
  const texts = [
    `Authorization: Bearer ${canary}`,
    `authorization=Basic ${canary}==`,
    JSON.stringify({ headers: { authorization: `Bearer ${canary}` } }),
    JSON.stringify({ body: JSON.stringify({ password: canary, user: 'u' }) }),
    JSON.stringify({ token: `x"${canary}` }),
    `GET /x?a=1&access_token=${canary}&b=2`,
    `https://user:${canary}@registry.example.com/v2/`,
    `postgres://u:${canary}@db/x`,
    `-----BEGIN EC PRIVATE KEY-----\n${canary}\n-----END EC PRIVATE KEY-----`,
    JSON.stringify(`-----BEGIN PRIVATE KEY-----\n${canary}\n`),
    `token eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJzeXN0ZW0ifQ.${canary}`,
  ];
  for (const text of texts) assert.equal(redactText(text).includes(canary), false, redactText(text));
});

test('redactText() leaves alone what proves nothing', () => {
  for (const text of [
    'GET /api/v1/namespaces/a/pods?limit=500&continue=abc',
    '{"message":"token is missing","tokens":3,"code":401}',
    'https://127.0.0.1:6443/healthz',
    'pod "web-1" is Bearer of bad news',
    'a@b.example, c:d@',
  ]) {
    assert.equal(redactText(text), text);
  }
});

test('redactFields() shows of a Secret its name and nothing of its content, also in lists and patches', () => {
  const secret = {
    kind: 'Secret',
    metadata: { name: 's', annotations: { 'kubectl.kubernetes.io/last-applied-configuration': canary } },
    data: { k: canary },
    stringData: { k: canary },
  };
  const text = JSON.stringify(
    redactFields({
      secret,
      list: { kind: 'SecretList', items: [{ ...secret, kind: undefined }] },
      password: canary,
      bytes: Buffer.from(canary),
    }),
  );
  assert.equal(text.includes(canary), false, text);
  assert.match(text, /"name":"s"/);
  assert.deepEqual(redactFields({ pod: { kind: 'Pod', data: 'x' }, n: 1 }), { pod: { kind: 'Pod', data: 'x' }, n: 1 });
});

test('redacting 64 KiB of anything takes no time that anybody would notice', () => {
  for (const text of [
    '"token":"'.repeat(7_000),
    'a:'.repeat(32_000),
    '\\'.repeat(65_536),
    'eyJ'.repeat(21_000),
    '-----BEGIN '.repeat(6_000),
    'http://'.repeat(9_000),
    'Bearer '.repeat(9_000),
    'eyJaaaaaaaa-'.repeat(5_000),
    'a.-+'.repeat(16_000),
    `"password":"${'\\\\'.repeat(30_000)}`,
  ]) {
    const start = performance.now();
    redactText(text);
    assert.ok(performance.now() - start < 100, text.slice(0, 20));
  }
});
