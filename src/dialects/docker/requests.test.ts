import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node } from '#api/core/node.ts';
import { hasReason } from '#machinery/status-error.ts';
import type { Pod } from '#api/core/pod.ts';
import { recordsOf } from './container-record.ts';
import { humanDuration } from './duration.ts';
import { dockerReply, noSuchContainer, notOffered } from './errors.ts';
import { containerFilters, containerMatcher, parseFilters } from './filters.ts';
import { imagesOf } from './images.ts';
import { inventName, parseContainerName, podNameOf } from './names.ts';
import { pullVerdict } from './pull.ts';
import { Router } from './router.ts';

test('Router strips the version, decodes names and refuses by name what it has not', () => {
  const router = new Router([
    { method: 'GET', path: '/containers/{name}/json', answer: () => ({ code: 200 }) },
    { method: 'GET', path: '/images/{name*}/json', answer: () => ({ code: 200 }) },
  ]);
  assert.deepEqual(router.match('GET', '/v1.50/containers/a%20b/json?x=1').params, { name: 'a b' });
  assert.deepEqual(router.match('GET', '/images/a/b:c/json').params, { name: 'a/b:c' });
  const refusals: [method: string, url: string, code: number, message: RegExp][] = [
    ['POST', '/v1.44/build?t=x', 501, /Tutti's Docker API does not have POST \/build/],
    ['GET', '/v1.44/nothing', 404, /page not found/],
    [
      'GET',
      '/v1.30/containers/a/json',
      400,
      /client version 1\.30 is too old\. Minimum supported API version is 1\.40/,
    ],
    [
      'GET',
      '/v1.51/containers/a/json',
      400,
      /client version 1\.51 is too new\. Maximum supported API version is 1\.50/,
    ],
    ['GET', '/containers/%ff/json', 400, /not well encoded/],
  ];
  for (const [method, url, code, message] of refusals) {
    assert.throws(
      () => router.match(method, url),
      (error) => dockerReply(error).code === code && message.test(dockerReply(error).message),
    );
  }
});

test('dockerReply() has a code for every reason', () => {
  assert.deepEqual(dockerReply(noSuchContainer('x')), { code: 404, message: 'No such container: x' });
  assert.equal(dockerReply(notOffered('swarms')).code, 501);
  assert.deepEqual(dockerReply(new Error('broken')), { code: 500, message: 'broken' });
});

test('parseContainerName() takes what Docker takes, podNameOf() what Kubernetes takes', () => {
  assert.equal(parseContainerName('/web_1.x'), 'web_1.x');
  for (const bad of ['a', '-ab', 'a b', 'a/b', ''])
    assert.throws(() => parseContainerName(bad), /Invalid container name/);
  assert.equal(podNameOf('web-1'), 'web-1');
  assert.match(podNameOf('Web_1'), /^web-1-[0-9a-f]{8}$/);
  assert.notEqual(podNameOf('web_1'), podNameOf('web.1'));
  assert.ok(podNameOf('x'.repeat(200)).length <= 63);
  assert.match(
    inventName((name) => !/\d/.test(name), Math.random),
    /^[a-z]+-[a-z]+-\d+$/,
  );
});

test('containerMatcher() filters as docker ps does', () => {
  const pod: Pod = {
    metadata: { name: 'web', namespace: 'default', uid: 'u', labels: { app: 'web' } },
    spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'docker.io/library/nginx:1', ports: [{ containerPort: 80, hostPort: 8080 }] }] },
    status: { phase: 'Running', containerStatuses: [{ name: 'c', image: '', imageID: '', ready: true, restartCount: 0, state: { running: {} } }] },
  }; // prettier-ignore
  const [record] = recordsOf(pod, 'default');
  assert.ok(record !== undefined);
  const shows = (filters: object) =>
    containerMatcher(parseFilters(JSON.stringify(filters), containerFilters), () => record, 0)(record);
  const table: [filters: object, shown: boolean][] = [
    [{}, true],
    [{ name: ['we'] }, true],
    [{ name: { '^/web$': true } }, true],
    [{ name: ['x', 'web'] }, true],
    [{ label: ['app=web'] }, true],
    [{ label: ['app=web', 'tier'] }, false],
    [{ status: ['running'], ancestor: ['nginx:1'] }, true],
    [{ status: ['exited'] }, false],
    [{ publish: ['8000-8100'] }, true],
    [{ expose: ['81'] }, false],
    [{ node: ['n1'], network: ['bridge'] }, true],
  ];
  for (const [filters, shown] of table) assert.equal(shows(filters), shown, JSON.stringify(filters));
  for (const bad of [{ nonsense: ['1'] }, { status: ['up'] }, { name: ['('] }, { exited: ['x'] }])
    assert.throws(() => shows(bad), (error) => hasReason(error, 'BadRequest')); // prettier-ignore
  assert.throws(() => parseFilters('{', []), /is not JSON/);
});

test('imagesOf() shows an image once however many nodes have it', () => {
  const node = (name: string, ...names: string[]): Node => ({
    metadata: { name },
    spec: {},
    status: { images: [{ names, sizeBytes: 5 }] },
  });
  const digest = `sha256:${'0'.repeat(64)}`;
  const nodes = [
    node('a', `docker.io/library/demo@${digest}`, 'docker.io/library/demo:1'),
    node('b', 'docker.io/library/demo:1'),
  ];
  assert.deepEqual(imagesOf(nodes, new Set(['docker.io/library/demo:1'])), [
    { id: digest, tags: ['demo:1'], digests: [`demo@${digest}`], bytes: 5, nodes: ['a', 'b'] },
  ]);
});

test('pullVerdict() takes a container that could not start for an image that is there', () => {
  const waiting = (reason: string, message = ''): Pod => ({
    spec: { containers: [] },
    status: { containerStatuses: [{ name: 'pull', image: '', imageID: '', ready: false, restartCount: 0, state: { waiting: { reason, message } } }] },
  }); // prettier-ignore
  assert.equal(pullVerdict(waiting('ContainerCreating')), undefined);
  assert.deepEqual(pullVerdict(waiting('RunContainerError')), { ok: true });
  assert.deepEqual(pullVerdict(waiting('ErrImagePull', 'no such host')), { ok: false, message: 'no such host' });
});

test('humanDuration() uses the words of docker ps', () => {
  const words = [0, 1, 5, 75, 600, 5000, 90_000, 700_000, 2_000_000].map((seconds) => humanDuration(seconds * 1000));
  assert.deepEqual(words, ['Less than a second', '1 second', '5 seconds', 'About a minute', '10 minutes', 'About an hour', '25 hours', '8 days', '3 weeks']); // prettier-ignore
});
