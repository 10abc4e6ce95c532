import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { VirtualClock } from '#lib/clock.ts';
import { belongsTogether } from '#lib/x509.ts';
import { issueHere } from './issue-certificates.ts';
import { ephemeralPki, openPki, serverHosts, type Pki } from './pki.ts';

const day = 24 * 3_600_000;
const start = Date.UTC(2026, 5, 1);
const hosts = ['localhost', '127.0.0.1', '10.96.0.1', 'kubernetes.default.svc'];

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'pki-'));
  try {
    await body(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const subject = (pem: string) => ({ ...new X509Certificate(pem).toLegacyObject().subject });
const serials = (pki: Pki) =>
  [pki.authority, pki.server.certificate, pki.admin.certificate].map((pem) => new X509Certificate(pem).serialNumber);

test('openPki() makes identities for every part, for their owner only, and finds them again', () =>
  inFolder(async (folder) => {
    const clock = new VirtualClock(start);
    const first = await openPki(folder, { issue: issueHere, clock, hosts });
    const node = await first.node('n1', ['10.0.0.7']);
    assert.deepEqual(subject(first.admin.certificate), { O: 'system:masters', CN: 'kubernetes-admin' });
    assert.deepEqual(subject(first.scheduler.certificate), { CN: 'system:kube-scheduler' });
    assert.deepEqual(subject(node.certificate), { O: 'system:nodes', CN: 'system:node:n1' });
    const authority = new X509Certificate(first.authority);
    assert.equal(authority.validToDate.getTime() - start, 3650 * day);

    const again = await openPki(folder, { issue: issueHere, clock, hosts });
    assert.deepEqual(serials(again), serials(first));
    assert.equal(again.serviceAccountKey, first.serviceAccountKey);
    assert.deepEqual(await again.node('n1', ['10.0.0.7']), node);
    for (const file of await readdir(join(folder, 'pki'))) {
      assert.equal((await stat(join(folder, 'pki', file))).mode & 0o777, 0o600, file);
    }
  }));

test('openPki() renews a certificate in the last third of its life, and keeps the authority', () =>
  inFolder(async (folder) => {
    const clock = new VirtualClock(start);
    const first = await openPki(folder, { issue: issueHere, clock, hosts });
    await clock.advance(240 * day);
    assert.deepEqual(serials(await openPki(folder, { issue: issueHere, clock, hosts })), serials(first));
    await clock.advance(5 * day);
    const renewed = await openPki(folder, { issue: issueHere, clock, hosts });
    assert.equal(renewed.authority, first.authority);
    assert.notEqual(serials(renewed)[1], serials(first)[1]);
    assert.notEqual(serials(renewed)[2], serials(first)[2]);
  }));

test('openPki() renews the server certificate when the machine gets a new name or address', () =>
  inFolder(async (folder) => {
    const clock = new VirtualClock(start);
    const first = await openPki(folder, { issue: issueHere, clock, hosts });
    const moved = await openPki(folder, { issue: issueHere, clock, hosts: [...hosts, '192.0.2.7'] });
    assert.notEqual(serials(moved)[1], serials(first)[1]);
    assert.equal(serials(moved)[2], serials(first)[2]);
    assert.equal(new X509Certificate(moved.server.certificate).checkIP('192.0.2.7'), '192.0.2.7');
  }));

test('openPki() repairs a torn leaf and refuses to replace a damaged, incomplete or expired authority', () =>
  inFolder(async (folder) => {
    const clock = new VirtualClock(start);
    const file = (name: string) => join(folder, 'pki', name);
    const first = await openPki(folder, { issue: issueHere, clock, hosts });
    await writeFile(file('admin.crt'), 'torn');
    const repaired = await openPki(folder, { issue: issueHere, clock, hosts });
    assert.equal(serials(repaired)[1], serials(first)[1]);

    const key = await readFile(file('ca.key'), 'utf8');
    await writeFile(file('ca.key'), first.admin.key);
    await assert.rejects(
      openPki(folder, { issue: issueHere, clock, hosts }),
      /ca\.crt and ca\.key do not belong together/,
    );
    await rm(file('ca.key'));
    await assert.rejects(
      openPki(folder, { issue: issueHere, clock, hosts }),
      /incomplete: ca\.key is missing; restore/,
    );
    await writeFile(file('ca.key'), key);
    await clock.advance(3651 * day);
    await assert.rejects(openPki(folder, { issue: issueHere, clock, hosts }), /expired on 2036/);
  }));

test('openPki() begins again after a first start that was interrupted before anything was signed', () =>
  inFolder(async (folder) => {
    const clock = new VirtualClock(start);
    await openPki(folder, { issue: issueHere, clock, hosts });
    for (const file of await readdir(join(folder, 'pki'))) if (file !== 'ca.key') await rm(join(folder, 'pki', file));
    await openPki(folder, { issue: issueHere, clock, hosts });
  }));

test('node names that could leave the folder get no certificate', async () => {
  const pki = await ephemeralPki({ clock: new VirtualClock(start), hosts });
  await assert.rejects(pki.node('../../etc/x', []), /no DNS subdomain/);
  await assert.rejects(pki.node('a..b', []), /no DNS subdomain/);
});

test('serverHosts() names the service, this machine and its addresses', () => {
  const found = serverHosts({ extra: ['api.example.org'] });
  for (const host of [
    'kubernetes.default.svc.cluster.local',
    'localhost',
    '127.0.0.1',
    '10.96.0.1',
    'api.example.org',
  ]) {
    assert.ok(found.includes(host), host);
  }
});

test('openPki() has its certificates made in a child process, so that this one need not load what makes them', () =>
  inFolder(async (folder) => {
    const clock = new VirtualClock(start);
    const pki = await openPki(folder, { clock, hosts, nodes: [{ name: 'n1', hosts: ['10.0.0.7'] }] });
    assert.ok(belongsTogether(pki.server, pki.authority));
    assert.ok((await readdir(join(folder, 'pki'))).includes('node-n1.crt'));
    const refuse = () => Promise.reject(new Error('nothing is missing'));
    const again = await openPki(folder, { clock, hosts, issue: refuse });
    assert.ok(belongsTogether(await again.node('n1', ['10.0.0.7']), pki.authority));
    await assert.rejects(again.node('n2', []), /nothing is missing/);
  }));
