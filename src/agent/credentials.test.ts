import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseImageReference } from '#machinery/image-reference.ts';
import { credentialsIn } from './credentials.ts';

const encode = (text: string) => Buffer.from(text).toString('base64');
const secret = (auths: Record<string, unknown>) => ({
  data: { '.dockerconfigjson': encode(JSON.stringify({ auths })) },
});
const users = (auths: Record<string, unknown>, image: string) =>
  credentialsIn(secret(auths), parseImageReference(image)).map(({ username, password }) => `${username}:${password}`);

test('Credentials go only to the registry and path they are for, the closest first', () => {
  const auths = {
    'https://index.docker.io/v1/': { auth: encode('hub:a:b') },
    'reg.example/team': { username: 'team', password: 'p' },
    'reg.example': { username: 'all', password: 'p' },
    '*.wild.example': { username: 'wild', password: 'p' },
  };
  assert.deepEqual(users(auths, 'busybox'), ['hub:a:b']);
  assert.deepEqual(users(auths, 'reg.example/team/app'), ['team:p', 'all:p']);
  assert.deepEqual(users(auths, 'reg.example/teammate/app'), ['all:p']);
  assert.deepEqual(users(auths, 'a.wild.example/app'), ['wild:p']);
  assert.deepEqual(users(auths, 'a.b.wild.example/app'), []);
  assert.deepEqual(users(auths, 'evilreg.example/app'), []);
});

test('A secret that cannot be read holds no credentials', () => {
  assert.deepEqual(credentialsIn({ data: { '.dockerconfigjson': encode('{') } }, parseImageReference('a')), []);
});
