import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runChecked } from './command.ts';
import { service, slice } from './lab/fixtures.ts';
import { Lab } from './lab/lab.ts';
import { PlacedProcess } from './lab/placed-process.ts';

const processFile = fileURLToPath(new URL('lab/network-process.ts', import.meta.url));
const cniDir = '/usr/lib/cni';

describe("a node's network as a whole", { skip: process.getuid?.() === 0 ? false : 'needs root' }, () => {
  const signal = AbortSignal.timeout(60_000);
  let lab: Lab;
  let dataDir: string;
  let network: PlacedProcess;
  const addresses: Record<string, string> = {};

  /** What a container runtime does with our configuration. */
  async function callCni(command: 'ADD' | 'DEL', pod: string): Promise<string> {
    const { name, cniVersion, plugins } = JSON.parse(
      await readFile(join(dataDir, 'cni/net.d/10-tutti.conflist'), 'utf8'),
    );
    const namespace = `/run/netns/${lab.namespace(pod)}`;
    const environment = [
      `CNI_COMMAND=${command}`,
      `CNI_CONTAINERID=${pod}`,
      `CNI_NETNS=${namespace}`,
      'CNI_IFNAME=eth0',
      `CNI_PATH=${cniDir}`,
    ];
    const stdin = [JSON.stringify({ ...plugins[0], name, cniVersion })];
    const { stdout } = await runChecked(lab.runIn('node'), 'env', [...environment, `${cniDir}/bridge`], {
      signal,
      stdin,
    });
    if (command === 'DEL') return '';
    return (JSON.parse(stdout) as { ips: { address: string }[] }).ips[0]?.address.split('/')[0] ?? '';
  }

  before(async () => {
    lab = await Lab.open(signal, { bare: true });
    dataDir = await mkdtemp(join(tmpdir(), 'tutti-network-'));
    await writeFile(join(dataDir, 'resolv.conf'), 'nameserver 192.0.2.1\n');
    network = new PlacedProcess(lab.namespace('node'), processFile, signal);
    await network.tell({ do: 'start', dataDir, resolvConf: join(dataDir, 'resolv.conf') });
    for (const pod of ['a', 'b']) {
      await lab.addUnconnectedPod(pod);
      addresses[pod] = await callCni('ADD', pod);
      await lab.listen(pod, 'tcp', 8080);
    }
  });

  after(async () => {
    await network[Symbol.asyncDispose]();
    await lab[Symbol.asyncDispose]();
    await rm(dataDir, { recursive: true, force: true });
  });

  const dns = (name: string, protocol: 'tcp' | 'udp' = 'udp') => ({
    protocol,
    server: '10.96.0.10',
    name,
    type: 'A' as const,
  });
  const web = service('web', { clusterIP: '10.96.1.1', ports: [{ name: 'http', port: 80, protocol: 'TCP' }] });
  const webSlice = (...pods: readonly string[]) =>
    slice(
      'web',
      [{ name: 'http', port: 8080, protocol: 'TCP' }],
      pods.map((pod) => ({ ip: addresses[pod] ?? '', pod })),
    );

  test("pods get addresses from the node's block and reach each other and the world", async () => {
    assert.match(addresses['a'] ?? '', /^10\.244\.0\.\d+$/);
    assert.deepEqual(await lab.ask('a', { protocol: 'tcp', host: addresses['b'] ?? '', port: 8080 }), [
      `b ${addresses['a']}`,
    ]);
    await lab.listen('outside', 'tcp', 7000);
    assert.deepEqual(await lab.ask('a', { protocol: 'tcp', host: '192.0.2.1', port: 7000 }), ['outside 192.0.2.2']);
  });

  test('a service is found by name and answers, from pods and from the node', async () => {
    await network.tell({ do: 'set', objects: [web, webSlice('a', 'b')] });
    for (const place of ['a', 'node']) {
      for (const protocol of ['udp', 'tcp'] as const) {
        const found = await lab.lookUp(place, dns('web.default.svc.cluster.local', protocol));
        assert.deepEqual(
          found,
          { code: 'NOERROR', isTruncated: false, answers: ['A 10.96.1.1'] },
          `${place} ${protocol}`,
        );
      }
      const replies = await lab.ask(place, { protocol: 'tcp', host: '10.96.1.1', port: 80, times: 30 });
      assert.deepEqual(new Set(replies.map((reply) => reply[0])), new Set(['a', 'b']));
    }
  });

  test('busybox in a pod resolves the service, and gets "no such name" at once for what is not there', async () => {
    const inPod = lab.runIn('a');
    const { stdout } = await inPod('busybox', ['nslookup', 'web.default.svc.cluster.local', '10.96.0.10'], { signal });
    assert.match(stdout, /10\.96\.1\.1/);
    assert.equal((await lab.lookUp('a', dns('example.com.default.svc.cluster.local'))).code, 'NXDOMAIN');
  });

  test('strangers are not served by the DNS', async () => {
    await lab.ip('outside', 'route add 10.96.0.0/12 via 192.0.2.2');
    await assert.rejects(lab.lookUp('outside', dns('web.default.svc.cluster.local')), /abort|timeout/i);
  });

  test('a pod that is about to stop gets no new connections, before its slice says so', async () => {
    assert.equal(await network.tell({ do: 'drain', podUid: 'a' }), true);
    const replies = await lab.ask('b', { protocol: 'tcp', host: '10.96.1.1', port: 80, times: 30 });
    assert.deepEqual(new Set(replies.map((reply) => reply[0])), new Set(['b']));
    assert.equal(await network.tell({ do: 'drain', podUid: 'unheard-of' }), true);
  });

  test('node ports and host ports answer on loopback too', async () => {
    const ports = [{ name: 'http', port: 80, protocol: 'TCP', nodePort: 30080 }];
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { namespace: 'default', name: 'a', uid: 'a' },
      spec: { nodeName: 'n1', containers: [{ name: 'c', ports: [{ containerPort: 8080, hostPort: 8099 }] }] },
      status: { phase: 'Running', podIP: addresses['a'] },
    };
    await network.tell({ do: 'set', objects: [service('np', { clusterIP: '10.96.1.2', ports }), pod] });
    await network.tell({
      do: 'set',
      objects: [slice('np', [{ name: 'http', port: 8080, protocol: 'TCP' }], [{ ip: addresses['b'] ?? '' }])],
    });
    assert.deepEqual(await lab.ask('node', { protocol: 'tcp', host: '127.0.0.1', port: 30080 }), ['b 10.244.0.1']);
    assert.deepEqual(await lab.ask('node', { protocol: 'tcp', host: '127.0.0.1', port: 8099 }), ['a 10.244.0.1']);
    assert.deepEqual(await lab.ask('outside', { protocol: 'tcp', host: '192.0.2.2', port: 8099 }), ['a 192.0.2.1']);
  });

  test('an interface and an address that somebody removed come back', async () => {
    await lab.ip('node', 'addr del 10.96.0.10/32 dev lo');
    for (;;) {
      const { stdout } = await lab.runIn('node')('ip', ['address', 'show', 'dev', 'lo'], { signal });
      if (stdout.includes('10.96.0.10')) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.equal((await lab.lookUp('a', dns('web.default.svc.cluster.local'))).code, 'NOERROR');
  });

  test('stopping leaves services working, and a reset leaves nothing', async () => {
    await network.tell({ do: 'stop' });
    const [reply] = await lab.ask('node', { protocol: 'tcp', host: '10.96.1.1', port: 80 });
    assert.equal(reply?.[0], 'b');
    assert.deepEqual(await lab.ask('node', { protocol: 'tcp', host: '127.0.0.1', port: 30080 }), ['ECONNREFUSED']);
    for (const pod of ['a', 'b']) await callCni('DEL', pod);
    const removed = (await network.tell({ do: 'reset', dataDir })) as readonly string[];
    assert.deepEqual([...removed].map((line) => line.replace(dataDir, '…')).sort(), [
      'address 10.96.0.10/32 on lo',
      'file …/cni/net.d/10-tutti.conflist',
      'folder …/network/leases',
      'interface tutti0',
      'kernel setting net.ipv4.ip_forward, back to 0',
      'nftables table "ip tutti-network-test"',
      'route to 10.96.0.0/12 over tutti0',
    ]);
    const inNode = async (program: string, ...args: readonly string[]) =>
      (await lab.runIn('node')(program, args, { signal })).stdout;
    assert.equal(await inNode('nft', 'list', 'ruleset'), '');
    assert.doesNotMatch(await inNode('ip', 'address'), /tutti0|10\.96/);
    assert.equal((await inNode('cat', '/proc/sys/net/ipv4/ip_forward')).trim(), '0');
    assert.deepEqual(await network.tell({ do: 'reset', dataDir }), []);
  });
});

describe(
  'a node where other programs are in the way',
  { skip: process.getuid?.() === 0 ? false : 'needs root' },
  () => {
    test('with port 53 taken, cluster DNS answers all the same, on its own address', async () => {
      const signal = AbortSignal.timeout(30_000);
      await using lab = await Lab.open(signal, { bare: true });
      await using network = new PlacedProcess(lab.namespace('node'), processFile, signal);
      const dataDir = await mkdtemp(join(tmpdir(), 'tutti-network-'));
      try {
        await lab.listen('node', 'tcp', 53);
        await lab.listen('node', 'udp', 53);
        await network.tell({ do: 'start', dataDir, resolvConf: '/dev/null' });
        await network.tell({ do: 'set', objects: [service('web', { clusterIP: '10.96.1.1', ports: [] })] });
        await lab.addPod('a', '10.244.0.11');
        for (const place of ['node', 'a']) {
          for (const protocol of ['udp', 'tcp'] as const) {
            const query = { protocol, server: '10.96.0.10', name: 'web.default.svc.cluster.local', type: 'A' as const };
            assert.deepEqual((await lab.lookUp(place, query)).answers, ['A 10.96.1.1'], `${place} ${protocol}`);
          }
        }
      } finally {
        await rm(dataDir, { recursive: true, force: true });
      }
    });

    test('a firewall that drops what it does not know lets pods through, until the reset', async () => {
      const signal = AbortSignal.timeout(30_000);
      await using lab = await Lab.open(signal, { bare: true });
      await using network = new PlacedProcess(lab.namespace('node'), processFile, signal);
      const dataDir = await mkdtemp(join(tmpdir(), 'tutti-network-'));
      try {
        const iptables = (...args: readonly string[]) => runChecked(lab.runIn('node'), 'iptables', args, { signal });
        await iptables('-P', 'FORWARD', 'DROP');
        await network.tell({ do: 'start', dataDir, resolvConf: '/dev/null' });
        await lab.addPod('a', '10.244.0.11');
        await lab.listen('outside', 'tcp', 7000);
        assert.deepEqual(await lab.ask('a', { protocol: 'tcp', host: '192.0.2.1', port: 7000 }), ['outside 192.0.2.2']);
        assert.match((await iptables('-S', 'FORWARD')).stdout, /-i tutti0 .*tutti: pods.* -j ACCEPT/);
        await network.tell({ do: 'stop' });
        const another = network.tell({ do: 'start', dataDir: `${dataDir}-2`, resolvConf: '/dev/null' });
        await assert.rejects(another, /in use by the pods of another cluster, that of .*tutti reset --data-dir/);
        await network.tell({ do: 'stop' });
        const removed = (await network.tell({ do: 'reset', dataDir })) as readonly string[];
        assert.equal(removed.filter((line) => line.startsWith('iptables rule')).length, 2);
        assert.equal((await iptables('-S', 'FORWARD')).stdout, '-P FORWARD DROP\n');
      } finally {
        await rm(dataDir, { recursive: true, force: true });
      }
    });
  },
);
