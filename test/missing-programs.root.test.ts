import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { outcomeOf, type Outcome } from './support/command.ts';
import { unless } from './support/needs.ts';
import { freePort } from './support/tutti.ts';

const skip = unless('root', 'containerd', 'cni', 'nft');
const program = path.join(import.meta.dirname, '..', 'bin', 'tutti');

let place: string;
before(() => {
  place = mkdtempSync(path.join(tmpdir(), 'tutti-missing-'));
  // Not executable: what lies over a program makes it one that is not there.
  writeFileSync(path.join(place, 'nothing'), '', { mode: 0o644 });
});
after(() => rmSync(place, { recursive: true, force: true }));

/** Runs `tutti` where the host's `hidden` files and directories are not to be seen, in a mount namespace of its own. */
const tuttiWithout = (hidden: readonly string[], args: readonly string[]): Promise<Outcome> => {
  const script = `nothing=$1; shift
while [ "$1" != -- ]; do
  if [ -d "$1" ]; then mount -t tmpfs tmpfs "$1"; else mount --bind "$nothing" "$1"; fi || exit 99
  shift
done
shift; exec "$@"`;
  const hiding = hidden.filter((file) => existsSync(file));
  const words = ['-m', 'sh', '-c', script, 'sh', path.join(place, 'nothing'), ...hiding, '--', program, ...args];
  return outcomeOf('unshare', words, { timeoutMs: 30_000 });
};

const inPrograms = (name: string) =>
  ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin'].map((dir) => `${dir}/${name}`);
const cases: readonly { missing: string; hidden: readonly string[]; packages: string; check: string }[] = [
  { missing: 'containerd', hidden: inPrograms('containerd'), packages: 'containerd', check: 'containerd' },
  { missing: 'runc', hidden: inPrograms('runc'), packages: 'runc', check: 'runc' },
  { missing: 'nft', hidden: inPrograms('nft'), packages: 'nftables', check: 'nftables' },
  { missing: 'ip', hidden: inPrograms('ip'), packages: 'iproute2', check: 'ip' },
  {
    missing: 'the CNI plugins',
    hidden: ['/usr/lib/cni', '/opt/cni/bin', '/usr/libexec/cni'],
    packages: 'containernetworking-plugins',
    check: 'cni plugins',
  },
];

for (const { missing, hidden, packages, check } of cases) {
  test(`without ${missing} "tutti up" ends with the package to install, and doctor shows it`, { skip }, async () => {
    const dataDir = path.join(place, packages);
    const port = `${await freePort()}`;
    assert.deepEqual(await tuttiWithout(hidden, ['up', '--data-dir', dataDir, '--port', port]), {
      code: 1,
      stdout: '',
      stderr: `✗ This host cannot run containers without ${missing}: not installed.\n  → apt-get install ${packages}   (or "tutti up --sim": pretend nodes)\n`,
    });
    assert.equal(existsSync(dataDir), false, 'something was left behind');
    const doctor = await tuttiWithout(hidden, ['doctor', '--data-dir', dataDir, '--port', port]);
    assert.equal(doctor.code, 1);
    assert.match(doctor.stdout, new RegExp(`^✗ ${check} .*\\n  expected: .*\\n  → apt-get install ${packages}$`, 'm'));
  });
}

test('all that is missing is named at once', { skip }, async () => {
  const hidden = ['containerd', 'ctr', 'runc'].flatMap(inPrograms);
  const { stderr } = await tuttiWithout(hidden, ['up', '--detach', '--data-dir', path.join(place, 'all')]);
  assert.match(stderr, /without containerd, ctr, runc: not installed\.\n {2}→ apt-get install containerd runc /);
});
