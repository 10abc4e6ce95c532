import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseImageReference } from './image-reference.ts';

const digest = `sha256:${'a'.repeat(64)}`;

test('Names are completed as Docker completes them', () => {
  const cases: [string, string][] = [
    ['busybox', 'docker.io/library/busybox:latest'],
    ['busybox:1.36', 'docker.io/library/busybox:1.36'],
    ['user/app', 'docker.io/user/app:latest'],
    ['docker.io/busybox', 'docker.io/library/busybox:latest'],
    ['index.docker.io/busybox', 'docker.io/library/busybox:latest'],
    ['localhost/app', 'localhost/app:latest'],
    ['registry.example:5000/a/b:c', 'registry.example:5000/a/b:c'],
    ['[::1]:5000/a', '[::1]:5000/a:latest'],
    [`app@${digest}`, `docker.io/library/app@${digest}`],
    [`app:1@${digest}`, `docker.io/library/app:1@${digest}`],
    ['a__b/c-d.e', 'docker.io/a__b/c-d.e:latest'],
  ];
  for (const [text, canonical] of cases) assert.equal(parseImageReference(text).canonical, canonical, text);
});

test('What is no name is refused with the reason', () => {
  const cases: [string, RegExp][] = [
    ['', /it is empty/],
    ['Busybox', /must be lowercase/],
    ['a b', /not a repository's name/],
    ['app:', /tag "" is not allowed/],
    ['app:a/b:-c', /tag "-c" is not allowed/],
    ['app@sha256:12', /digest/],
    ['-a.b/c', /not a registry's name/],
    ['a//b', /not a repository's name/],
    ['a'.repeat(256), /longer than 255/],
  ];
  for (const [text, why] of cases) assert.throws(() => parseImageReference(text), why, text);
});
