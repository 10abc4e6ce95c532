import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { unless } from './support/needs.ts';
import { Registry } from './support/registry.ts';
import { Tutti } from './support/tutti.ts';
import { until } from './support/until.ts';

const pod = (name: string, image: string, more = '') => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec:
  terminationGracePeriodSeconds: 0
  ${more}
  containers:
    - {name: main, image: "${image}", command: [/bin/busybox, sleep, "600"]}
`;

test(
  'images are pulled from a registry, by policy and with pull secrets, and what cannot be had is told',
  { skip: unless('root', 'containerd', 'cni', 'nft', 'kubectl') },
  async (t) => {
    const dir = mkdtempSync(path.join(tmpdir(), 'tutti-files-'));
    t.after(() => rmSync(dir, { recursive: true, force: true }));
    mkdirSync(path.join(dir, 'bin'));
    cpSync('/bin/busybox', path.join(dir, 'bin', 'busybox'));
    await using open = await Registry.start();
    await using closed = await Registry.start('me:secret');
    for (const registry of [open, closed]) await registry.push('team/tool', '1', dir, { cmd: ['/bin/busybox'] });
    await using cluster = await Tutti.up();
    const image = (registry: Registry) => `${registry.host}/team/tool:1`;
    const running = (name: string) =>
      cluster.kubectl(['wait', '--for=condition=Ready', `pod/${name}`, '--timeout=30s']);
    const waitingReason = async (name: string) =>
      (
        await cluster.kubectl([
          'get',
          'pod',
          name,
          '-o',
          'jsonpath={.status.containerStatuses[0].state.waiting.reason}',
        ])
      ).trim();

    await t.test('an image that is not there is pulled once, and again only if the policy says so', async () => {
      await cluster.apply(pod('first', image(open)));
      await running('first');
      const pulls = () => open.served.filter((url) => url.includes('/manifests/')).length;
      const before = pulls();
      assert.ok(before > 0);
      await cluster.apply(pod('second', image(open)));
      await running('second');
      assert.equal(pulls(), before);
      await cluster.apply(pod('always', image(open)).replace('image:', 'imagePullPolicy: Always, image:'));
      await running('always');
      assert.ok(pulls() > before);
    });

    await t.test('a registry that asks for credentials gets those of the pull secret', async () => {
      await cluster.apply(pod('stranger', image(closed)));
      await until('the pull is refused', async () =>
        /^(ErrImagePull|ImagePullBackOff)$/.test(await waitingReason('stranger')),
      );
      const secret = [
        'create',
        'secret',
        'docker-registry',
        'creds',
        `--docker-server=${closed.host}`,
        '--docker-username=me',
        '--docker-password=secret',
      ];
      await cluster.kubectl(secret);
      await cluster.apply(pod('friend', image(closed), 'imagePullSecrets: [{name: creds}]'));
      await running('friend');
    });

    await t.test('an image that no registry has is told in status and events, with the name', async () => {
      await cluster.apply(pod('nowhere', `${open.host}/team/none:9`));
      await until('the pull fails', async () =>
        /^(ErrImagePull|ImagePullBackOff)$/.test(await waitingReason('nowhere')),
      );
      const events = await until('an event tells it', async () => {
        const text = await cluster.kubectl([
          'get',
          'events',
          '--field-selector',
          'involvedObject.name=nowhere',
          '-o',
          'jsonpath={.items[*].message}',
        ]);
        return text.includes('team/none:9') && text;
      });
      assert.match(events, /not found/i);
      await cluster.apply(pod('never', 'never-seen:1').replace('image:', 'imagePullPolicy: Never, image:'));
      await until('it is refused', async () => (await waitingReason('never')) === 'ErrImageNeverPull');
    });
  },
);
