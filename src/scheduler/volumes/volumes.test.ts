import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PersistentVolumeClaim } from '#api/core/persistent-volume-claim.ts';
import type { PersistentVolume } from '#api/core/persistent-volume.ts';
import type { Pod } from '#api/core/pod.ts';
import type { Volume } from '#api/core/types.generated.ts';
import type { CSIStorageCapacity } from '#api/storage/csi-storage-capacity.ts';
import type { StorageClass } from '#api/storage/storage-class.ts';
import { BatchPlacer, pendingOf, type Decision } from '../batch.ts';
import { NodeTable } from '../node-table.ts';
import { profileOf } from '../profile.ts';
import { Signatures } from '../signature.ts';
import { boundTo, podOf } from '../testing/random-cluster.ts';

/** A scheduler's core without anything around it. */
function coreOf(...nodes: readonly (readonly [name: string, labels?: Readonly<Record<string, string>>])[]) {
  const signatures = new Signatures();
  const table = new NodeTable(signatures);
  for (const [name, labels] of nodes) {
    table.setNode({
      metadata: { name, labels: { 'kubernetes.io/hostname': name, ...labels } },
      spec: {},
      status: { allocatable: { cpu: '8', memory: '8Gi', pods: '20' } },
    });
  }
  const placer = new BatchPlacer(table, [profileOf()]);
  const { volumes: book } = signatures;
  const sign = (pod: Pod) => signatures.of(pod, table.affine);
  const decide = (pod: Pod) => placer.decide(pendingOf(pod, sign(pod)));
  return { book, table, sign, decide };
}

const using = (...claims: readonly string[]) =>
  podWith(claims.map((claimName) => ({ name: claimName, persistentVolumeClaim: { claimName } })));

function podWith(volumes: readonly Volume[], priority = 0): Pod {
  return podOf({ containers: [{ name: 'main', image: 'web' }], volumes, priority });
}

function claim(
  name: string,
  spec: Partial<PersistentVolumeClaim['spec']> = {},
  more: Partial<PersistentVolumeClaim> = {},
) {
  const annotations = more.metadata?.annotations ?? {};
  return {
    ...more,
    metadata: { name, namespace: 'default', uid: `uid-of-${name}`, ...more.metadata, annotations },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, ...spec },
  } satisfies PersistentVolumeClaim;
}

const boundClaim = (name: string, volumeName: string, spec: Partial<PersistentVolumeClaim['spec']> = {}) =>
  claim(name, { ...spec, volumeName }, { metadata: { annotations: { 'pv.kubernetes.io/bind-completed': 'yes' } } });

function volume(
  name: string,
  spec: Partial<PersistentVolume['spec']> = {},
  labels: Readonly<Record<string, string>> = {},
): PersistentVolume {
  return {
    metadata: { name, labels },
    spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, storageClassName: 'late', ...spec },
    status: { phase: spec.claimRef === undefined ? 'Available' : 'Bound' },
  };
}

const only = (...hosts: readonly string[]) => ({
  nodeAffinity: {
    required: {
      nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: hosts }] }],
    },
  },
});

const storageClass = (name: string, more: Partial<StorageClass> = {}): StorageClass => ({
  metadata: { name },
  provisioner: 'kubernetes.io/no-provisioner',
  volumeBindingMode: 'WaitForFirstConsumer',
  ...more,
});

const late = { storageClassName: 'late' };
const unhelpful = (nodes: number) =>
  ` preemption: 0/${nodes} nodes are available: ${nodes} Preemption is not helpful for scheduling.`;
const wordsOf = (decision: Decision) => (decision.do === 'refuse' ? decision.failure.message : decision.do);
const nodeOf = (decision: Decision) => (decision.do === 'place' ? decision.nodeName : wordsOf(decision));

test('claims that keep a pod from every node are told of once, in the words of upstream', () => {
  const { book, decide } = coreOf(['n1'], ['n2']);
  book.putClass(storageClass('now', { volumeBindingMode: 'Immediate' }));
  book.putClaim(claim('unbound', { storageClassName: 'now' }));
  book.putClaim(claim('named', { ...late, volumeName: 'v' }));
  book.putClaim(claim('lost', { volumeName: 'gone' }, { status: { phase: 'Lost' } }));
  book.putClaim(claim('going', {}, { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } }));
  const words = (pod: Pod) => wordsOf(decide(pod)).replace(unhelpful(2), '');
  const refused = (what: string) => `0/2 nodes are available: ${what}.`;
  assert.equal(words(using('none')), refused('persistentvolumeclaim "none" not found'));
  assert.equal(words(using('unbound')), refused('pod has unbound immediate PersistentVolumeClaims'));
  assert.equal(words(using('named')), refused('pod has unbound immediate PersistentVolumeClaims'));
  assert.equal(
    words(using('lost')),
    refused('persistentvolumeclaim "lost" bound to non-existent persistentvolume "gone"'),
  );
  assert.equal(words(using('going')), refused('persistentvolumeclaim "going" is being deleted'));
  const scratch = podWith([{ name: 'scratch', ephemeral: {} }]);
  const name = `${scratch.metadata?.name}-scratch`;
  assert.equal(
    words(scratch),
    refused(`waiting for ephemeral volume controller to create the persistentvolumeclaim "${name}"`),
  );
  book.putClaim(boundClaim(name, 'v'));
  assert.equal(
    words(scratch),
    refused(`PVC default/${name} was not created for pod default/${scratch.metadata?.name} (pod is not owner)`),
  );
  const owner = { apiVersion: 'v1', kind: 'Pod', name: '', uid: scratch.metadata?.uid ?? '', controller: true };
  const own = boundClaim(name, 'v');
  book.putClaim({ ...own, metadata: { ...own.metadata, ownerReferences: [owner] } });
  book.putVolume(volume('v'));
  assert.match(nodeOf(decide(scratch)), /^n[12]$/);
});

test('a pod goes where the volumes of its claims can be reached, and to no other zone', () => {
  const zone = 'topology.kubernetes.io/zone';
  const { book, decide, sign } = coreOf(['n1', { [zone]: 'a' }], ['n2', { [zone]: 'b' }], ['n3', { [zone]: 'c' }]);
  book.putVolume(volume('local', only('n2')));
  book.putVolume(volume('like-it', only('n2')));
  book.putVolume(volume('zonal', {}, { [zone]: 'b__c' }));
  book.putVolume(volume('nowhere', only('n9')));
  for (const name of ['local', 'like-it', 'zonal', 'nowhere']) book.putClaim(boundClaim(name, name));
  book.putClaim(boundClaim('lost', 'no-such-volume'));
  assert.equal(nodeOf(decide(using('local'))), 'n2');
  assert.equal(sign(using('local')), sign(using('like-it')), 'like volumes make like demands');
  assert.match(nodeOf(decide(using('zonal'))), /^n[23]$/);
  assert.equal(
    wordsOf(decide(using('nowhere'))),
    `0/3 nodes are available: 3 node(s) had volume node affinity conflict.${unhelpful(3)}`,
  );
  assert.equal(
    wordsOf(decide(using('nowhere', 'zonal'))),
    `0/3 nodes are available: 3 node(s) had volume node affinity conflict.${unhelpful(3)}`,
  );
  book.putVolume(volume('elsewhere', {}, { [zone]: 'd' }));
  book.putClaim(boundClaim('elsewhere', 'elsewhere'));
  assert.equal(
    wordsOf(decide(using('elsewhere'))),
    `0/3 nodes are available: 3 node(s) had no available volume zone.${unhelpful(3)}`,
  );
  assert.equal(
    wordsOf(decide(using('lost'))),
    `0/3 nodes are available: 3 node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s).${unhelpful(3)}`,
  );
});

test('claims that wait for their consumer get the smallest volumes that the node reaches, each only once', () => {
  const { book, decide, table } = coreOf(['n1'], ['n2']);
  book.putClass(storageClass('late'));
  for (const [name, storage, host] of [
    ['large', '5Gi', 'n1'],
    ['fit', '2Gi', 'n1'],
    ['small', '512Mi', 'n2'],
  ] as const) {
    book.putVolume(volume(name, { capacity: { storage }, ...only(host) }));
  }
  for (const name of ['a', 'b', 'c']) book.putClaim(claim(name, late));
  const [a, b, c] = [using('a'), using('b'), using('c')];
  assert.equal(nodeOf(decide(a)), 'n1');
  assert.equal(nodeOf(decide(b)), 'n1');
  const planOf = (pod: Pod) => book.planOf(pod.metadata?.uid ?? '');
  assert.deepEqual(planOf(a), { nodeName: 'n1', bindings: [{ claim: 'default/a', volume: 'fit' }], provisions: [] });
  assert.deepEqual(planOf(b)?.bindings, [{ claim: 'default/b', volume: 'large' }]);
  const none = `0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind.${unhelpful(2)}`;
  assert.equal(wordsOf(decide(c)), none);
  table.removePod(a.metadata?.uid ?? '');
  assert.equal(planOf(a), undefined);
  assert.equal(nodeOf(decide(c)), 'n1');
  assert.deepEqual(planOf(c)?.bindings, [{ claim: 'default/c', volume: 'fit' }]);
});

test('a pod with two claims needs two volumes, wherever it looks', () => {
  const { book, decide } = coreOf(['n1'], ['n2']);
  book.putClass(storageClass('late'));
  for (const name of ['x', 'y', 'z']) book.putVolume(volume(name));
  for (const name of ['a', 'b', 'c', 'd']) book.putClaim(claim(name, late));
  assert.match(nodeOf(decide(using('a', 'b'))), /^n[12]$/);
  assert.match(wordsOf(decide(using('c', 'd'))), /2 node\(s\) didn't find available persistent volumes to bind/);
  book.putVolume(volume('w'));
  assert.match(nodeOf(decide(using('c', 'd'))), /^n[12]$/);
});

test('a volume must have the class, modes, labels and size that the claim asks for', () => {
  const { book, decide } = coreOf(['n1']);
  book.putClass(storageClass('late'));
  book.putVolume(volume('other-class', { storageClassName: 'other' }));
  book.putVolume(volume('read-only', { accessModes: ['ReadOnlyMany'] }));
  book.putVolume(volume('device', { volumeMode: 'Block' }));
  book.putVolume(volume('unlabelled'));
  book.putVolume(volume('kept', { claimRef: { namespace: 'default', name: 'somebody' } }, { tier: 'gold' }));
  book.putVolume({ ...volume('failed', {}, { tier: 'gold' }), status: { phase: 'Failed' } });
  book.putVolume(volume('small', { capacity: { storage: '1023Mi' } }, { tier: 'gold' }));
  book.putVolume(volume('attributes', { volumeAttributesClassName: 'fast' }, { tier: 'gold' }));
  book.putClaim(claim('data', { ...late, selector: { matchLabels: { tier: 'gold' } } }));
  assert.match(wordsOf(decide(using('data'))), /1 node\(s\) didn't find available persistent volumes to bind/);
  book.putVolume(volume('golden', {}, { tier: 'gold' }));
  const pod = using('data');
  assert.equal(nodeOf(decide(pod)), 'n1');
  assert.deepEqual(book.planOf(pod.metadata?.uid ?? '')?.bindings, [{ claim: 'default/data', volume: 'golden' }]);
});

test('a volume that is kept for a claim is the one for it, and whoever shares the claim follows it', () => {
  const { book, decide } = coreOf(['n1'], ['n2'], ['n3']);
  book.putClass(storageClass('late'));
  book.putVolume(volume('free', only('n1')));
  const claimRef = { namespace: 'default', name: 'data' };
  book.putVolume(volume('kept', { claimRef, capacity: { storage: '9Gi' }, ...only('n2') }));
  book.putClaim(claim('data', late));
  assert.equal(nodeOf(decide(using('data'))), 'n2');
  book.putClaim(claim('shared', late));
  assert.equal(nodeOf(decide(using('shared'))), 'n1');
  assert.equal(nodeOf(decide(using('shared'))), 'n1', 'it was given the volume of n1');
});

test('volumes are made where the class allows it, the driver has room, and on one node if that was chosen', () => {
  const zone = 'topology.kubernetes.io/zone';
  const { book, decide } = coreOf(['n1', { [zone]: 'a' }], ['n2', { [zone]: 'b' }]);
  const allowedTopologies = [{ matchLabelExpressions: [{ key: zone, values: ['b'] }] }];
  book.putClass(storageClass('zonal', { provisioner: 'csi.example.com', allowedTopologies }));
  book.putClass(storageClass('late', { provisioner: 'csi.example.com' }));
  for (const name of ['one', 'two', 'three']) book.putClaim(claim(name, { storageClassName: 'zonal' }));
  const pod = using('one');
  assert.equal(nodeOf(decide(pod)), 'n2');
  assert.deepEqual(book.planOf(pod.metadata?.uid ?? ''), {
    nodeName: 'n2',
    bindings: [],
    provisions: ['default/one'],
  });
  book.putClaim(claim('chosen', late, { metadata: { annotations: { 'volume.kubernetes.io/selected-node': 'n1' } } }));
  assert.equal(nodeOf(decide(using('chosen'))), 'n1');
  book.putDriver({ metadata: { name: 'csi.example.com' }, spec: { storageCapacity: true } });
  assert.equal(
    wordsOf(decide(using('two'))),
    `0/2 nodes are available: 1 node(s) did not have enough free storage, 1 node(s) didn't find available persistent volumes to bind.${unhelpful(2)}`,
  );
  const capacityIn = (name: string, more: Partial<CSIStorageCapacity>): CSIStorageCapacity => ({
    metadata: { name, namespace: 'kube-system' },
    storageClassName: 'zonal',
    nodeTopology: { matchLabels: { [zone]: 'b' } },
    ...more,
  });
  book.putCapacity(capacityIn('b', { capacity: '10Gi', maximumVolumeSize: '100Mi' }));
  assert.match(wordsOf(decide(using('two'))), /1 node\(s\) did not have enough free storage/);
  book.putCapacity(capacityIn('b', { capacity: '10Gi' }));
  assert.equal(nodeOf(decide(using('two'))), 'n2');
});

test('a node attaches as many volumes of a driver as its CSINode says, and a shared one counts once', () => {
  const { book, decide, table } = coreOf(['n1']);
  const drivers = [{ name: 'csi.example.com', nodeID: 'n1', allocatable: { count: 2 } }];
  book.putNode({ metadata: { name: 'n1' }, spec: { drivers } });
  for (const name of ['a', 'b', 'c']) {
    book.putVolume(volume(name, { csi: { driver: 'csi.example.com', volumeHandle: name } }));
    book.putClaim(boundClaim(name, name));
  }
  const [first, second] = [using('a'), using('b')];
  assert.equal(nodeOf(decide(first)), 'n1');
  assert.equal(nodeOf(decide(second)), 'n1');
  assert.equal(nodeOf(decide(using('a'))), 'n1', 'it is there already');
  const full =
    '0/1 nodes are available: 1 node(s) exceed max volume count. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.';
  assert.equal(wordsOf(decide(using('c'))), full);
  table.removePod(second.metadata?.uid ?? '');
  book.removePod(second.metadata?.uid ?? '');
  const attachment = {
    metadata: { name: 'still' },
    spec: { attacher: 'csi.example.com', nodeName: 'n1', source: { persistentVolumeName: 'b' } },
  };
  book.putAttachment(attachment);
  assert.equal(wordsOf(decide(using('c'))), full, 'an attachment outlives its pod');
  book.removeAttachment(attachment);
  assert.equal(nodeOf(decide(using('c'))), 'n1');
});

test('a ReadWriteOncePod claim is one pod’s in the whole cluster, until that pod goes or is preempted', () => {
  const { book, decide, table } = coreOf(['n1'], ['n2']);
  book.putVolume(volume('v'));
  book.putClaim(boundClaim('data', 'v', { accessModes: ['ReadWriteOncePod'] }));
  const first = using('data');
  const node = nodeOf(decide(first));
  assert.match(node, /^n[12]$/);
  assert.equal(
    wordsOf(decide(using('data'))),
    '0/2 nodes are available: 2 node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode. preemption: 0/2 nodes are available: 2 No preemption victims found for incoming pod.',
  );
  table.setPod(boundTo(first, node));
  const urgent = decide(podWith([{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }], 10));
  assert.ok(urgent.do === 'preempt');
  assert.deepEqual([urgent.nodeName, urgent.victims.map(({ uid }) => uid)], [node, [first.metadata?.uid]]);
  table.removePod(first.metadata?.uid ?? '');
  book.removePod(first.metadata?.uid ?? '');
  assert.equal(nodeOf(decide(urgent.pending.pod)), node);
});

test('disks that pods name themselves are shared on a node only by those who read', () => {
  const disks: readonly (readonly [string, Partial<Volume>, Partial<Volume>, boolean])[] = [
    ['GCE', { gcePersistentDisk: { pdName: 'd' } }, { gcePersistentDisk: { pdName: 'd', readOnly: true } }, false],
    [
      'GCE, read',
      { gcePersistentDisk: { pdName: 'd', readOnly: true } },
      { gcePersistentDisk: { pdName: 'd', readOnly: true } },
      true,
    ],
    [
      'EBS',
      { awsElasticBlockStore: { volumeID: 'd', readOnly: true } },
      { awsElasticBlockStore: { volumeID: 'd', readOnly: true } },
      false,
    ],
    [
      'iSCSI',
      { iscsi: { iqn: 'q', lun: 0, targetPortal: 'p' } },
      { iscsi: { iqn: 'q', lun: 1, targetPortal: 'o' } },
      false,
    ],
    ['RBD', { rbd: { image: 'i', monitors: ['a', 'b'] } }, { rbd: { image: 'i', monitors: ['b'] } }, false],
    ['RBD, of another Ceph', { rbd: { image: 'i', monitors: ['a'] } }, { rbd: { image: 'i', monitors: ['b'] } }, true],
    [
      'RBD, of another pool',
      { rbd: { image: 'i', monitors: ['a'] } },
      { rbd: { image: 'i', pool: 'p', monitors: ['a'] } },
      true,
    ],
  ];
  for (const [name, one, other, goTogether] of disks) {
    const { decide } = coreOf(['n1']);
    assert.equal(nodeOf(decide(podWith([{ name: 'disk', ...one }]))), 'n1', name);
    const words =
      '0/1 nodes are available: 1 node(s) had no available disk. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.';
    assert.equal(nodeOf(decide(podWith([{ name: 'disk', ...other }]))), goTogether ? 'n1' : words, name);
  }
});
