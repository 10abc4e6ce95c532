import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { outcomeOf, type Outcome } from './support/command.ts';
import { unless } from './support/needs.ts';
import { freePort } from './support/tutti.ts';

/** Root only to become somebody else: the conventional nobody. */
const skip = unless('root');
const nobody = 65_534;
const project = path.join(import.meta.dirname, '..');

let home: string;
before(() => {
  home = mkdtempSync(path.join(tmpdir(), 'tutti-home-'));
  if (skip === false) chownSync(home, nobody, nobody);
});
after(() => rmSync(home, { recursive: true, force: true }));

/**
 * Runs `tutti` as nobody, who may not be able to enter the directory that the project lies in: so what is in it is
 * mounted, in a mount namespace of its own, where everybody may read it.
 */
const asNobody = (args: readonly string[]) => {
  const script = `from=$1; to=$2; home=$3; shift 3
mkdir -p "$to" && mount -t tmpfs -o mode=755 tmpfs "$to" || exit 99
for each in "$from"/*; do
  there="$to/\${each##*/}"
  if [ -d "$each" ]; then mkdir "$there"; else : > "$there"; fi && mount --bind "$each" "$there" || exit 99
done
cd / && exec setpriv --reuid=${nobody} --regid=${nobody} --clear-groups env -i HOME="$home" "$to/bin/tutti" "$@"`;
  return ['unshare', ['-m', 'sh', '-c', script, 'sh', project, path.join(home, 'project'), home, ...args]] as const;
};
const tutti = (...args: readonly string[]): Promise<Outcome> => outcomeOf(...asNobody(args));

test(
  'without root the cluster runs with pretend nodes, says so in a line, and stays in the home',
  { skip },
  async () => {
    const port = await freePort();
    const child = spawn(...asNobody(['up', '--port', `${port}`]), { stdio: ['ignore', 'pipe', 'pipe'] });
    const ended = once(child, 'close');
    try {
      let output = '';
      await new Promise<void>((resolve, reject) => {
        const read = (chunk: Buffer) => {
          output += chunk.toString();
          if (/^ready/m.test(output)) resolve();
        };
        child.stdout.on('data', read);
        child.stderr.on('data', read);
        child.on('close', () => reject(new Error(output)));
      });
      assert.match(output, /^Nodes are pretended, as this is not root: .*\n/);
      assert.equal(output.match(/pretended/g)?.length, 1);

      const dataDir = path.join(home, '.local', 'state', 'tutti');
      assert.equal(existsSync(path.join(dataDir, 'state.db')), true);
      const status = JSON.parse((await tutti('status', '-o', 'json')).stdout) as {
        nodes: readonly { ready: string }[];
      };
      assert.deepEqual(
        status.nodes.map(({ ready }) => ready),
        ['True', 'True', 'True'],
      );
      const image = await tutti('image', 'ls');
      assert.match(image.stderr, /has no container runtime: its nodes are pretend ones\.\n {2}→ start it as root/);
      const doctor = await tutti('doctor', '--port', `${port}`);
      assert.equal(doctor.code, 1);
      assert.match(doctor.stdout, /✗ root .*\n {2}expected: root \(real containers; .*\n {2}→ run it with sudo/);

      const reset = await tutti('reset', '--yes');
      assert.deepEqual({ code: reset.code, stderr: reset.stderr }, { code: 0, stderr: '' });
      assert.match(reset.stdout, new RegExp(`Removed:\n(.*\n)* {2}${dataDir}\n`));
      assert.equal(existsSync(dataDir), false);
    } finally {
      child.kill('SIGKILL');
      await ended;
    }
  },
);

test('without root a port below 1024 is refused with the way out', { skip }, async () => {
  const { code, stderr } = await tutti('up', '--port', '443', '--data-dir', path.join(home, 'low'));
  // Some hosts let everybody listen there (net.ipv4.ip_unprivileged_port_start); not the usual one.
  assert.deepEqual(
    { code, stderr },
    { code: 1, stderr: '✗ This user may not listen on port 443: choose a --port from 1024 on.\n' },
  );
});
