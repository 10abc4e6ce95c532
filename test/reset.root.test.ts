import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { outcomeOf, run } from './support/command.ts';
import { unless } from './support/needs.ts';
import { Tutti, tutti } from './support/tutti.ts';

const skip = unless('root', 'containerd', 'cni', 'nft', 'kubectl');

/** Lines of what a host has that Tutti touches, without counters and ages. */
interface HostState {
  readonly [what: string]: readonly string[];
}

const lines = (text: string): readonly string[] => text.trim().split('\n').toSorted();
const listing = (dir: string): readonly string[] => (existsSync(dir) ? readdirSync(dir).toSorted() : []);

function sysctls(dir: string): readonly string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .flatMap((entry) => {
      const file = path.join(entry.parentPath, entry.name);
      try {
        return [`${file} = ${readFileSync(file, 'utf8').trim()}`];
      } catch {
        return []; // some can only be written
      }
    })
    .toSorted();
}

/** Everything there is now; a diff of two says what was changed. */
async function hostState(): Promise<HostState> {
  const output = async (program: string, ...args: readonly string[]) => (await outcomeOf(program, args)).stdout;
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').replaceAll(/^\d+ \d+ /gm, '');
  return {
    nftables: lines((await output('nft', 'list', 'ruleset')).replaceAll(/ (packets|bytes) \d+/g, '')),
    addresses: lines((await output('ip', '-o', 'address')).replaceAll(/( tentative)? *\\ *valid_lft .*/g, '')),
    links: lines((await output('ip', '-o', 'link')).replaceAll(/^\d+: /gm, '')),
    routes: lines(await output('ip', 'route', 'show', 'table', 'all')),
    rules: lines(await output('ip', 'rule')),
    mounts: lines(mounts),
    controlGroups: lines(await output('find', '/sys/fs/cgroup', '-type', 'd', '-name', '*tutti*')),
    namespaces: listing('/run/netns'),
    run: listing('/run/tutti'),
    resultCache: listing('/var/lib/cni'),
    kernel: [...sysctls('/proc/sys/net/ipv4'), ...sysctls('/proc/sys/net/bridge')].filter(
      // What the kernel counts or tunes itself, and addresses learned meanwhile.
      (line) => !/(inet_peer|tcp_(mem|fastopen_key)|udp_mem|_mem |random|neigh)/.test(line),
    ),
  };
}

test('"tutti reset" while pods run lists what it removes and leaves the host as it was', { skip }, async () => {
  const earlier = await hostState();
  const cluster = await Tutti.up();
  try {
    await cluster.busyboxImage('reset:1');
    await cluster.kubectl(['create', 'deployment', 'busy', '--image=reset:1', '--replicas=3', '--', 'sleep', '1000']);
    await cluster.kubectl(['expose', 'deployment', 'busy', '--port=80', '--type=NodePort']);
    await cluster.kubectl(['create', 'secret', 'generic', 'key', '--from-literal=a=b']);
    await cluster.kubectl(['rollout', 'status', 'deployment/busy', '--timeout=60s'], { timeoutMs: 70_000 });
    assert.notDeepEqual((await hostState())['nftables'], earlier['nftables']);

    const { code, stdout, stderr } = await tutti(['reset', '--yes', '--data-dir', cluster.dataDir], {
      timeoutMs: 60_000,
    });
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    for (const line of [
      /^Removed:$/m,
      /^ {2}pod default\/busy-/m,
      /^ {2}nftables table "ip tutti"$/m,
      /^ {2}interface tutti0$/m,
      /^ {2}address .* on lo$/m,
      /^ {2}control group/m,
      new RegExp(`^ {2}${cluster.dataDir}$`, 'm'),
    ])
      assert.match(stdout, line);
    const now = await hostState();
    for (const what of Object.keys(earlier)) {
      const gone = earlier[what]!.filter((line) => !now[what]!.includes(line));
      const left = now[what]!.filter((line) => !earlier[what]!.includes(line));
      assert.deepEqual({ what, gone, left }, { what, gone: [], left: [] });
    }
    assert.equal(existsSync(cluster.dataDir), false);
    assert.equal((await run('ps', ['-eo', 'args'])).includes(cluster.dataDir), false, 'a process is left');
    const again = await tutti(['reset', '--yes', '--data-dir', cluster.dataDir]);
    assert.equal(again.code, 0);
  } finally {
    await cluster[Symbol.asyncDispose]();
  }
});

test('"tutti down" stops server, containers and runtime, and "up" starts the pods again', { skip }, async () => {
  await using cluster = await Tutti.up();
  await cluster.busyboxImage('reset:1');
  await cluster.kubectl(['create', 'deployment', 'kept', '--image=reset:1', '--', 'sleep', '1000']);
  await cluster.kubectl(['rollout', 'status', 'deployment/kept', '--timeout=60s'], { timeoutMs: 70_000 });
  const down = await tutti(['down', '--data-dir', cluster.dataDir], { timeoutMs: 60_000 });
  assert.equal(down.code, 0);
  assert.equal((await run('ps', ['-eo', 'args'])).includes(`${cluster.dataDir}/containerd`), false);
  await cluster.kill('SIGTERM');
  await cluster.start();
  await cluster.kubectl(['rollout', 'status', 'deployment/kept', '--timeout=60s'], { timeoutMs: 70_000 });
});
