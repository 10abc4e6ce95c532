import type { PersistentVolumeClaim } from '#api/core/persistent-volume-claim.ts';
import type { PersistentVolume } from '#api/core/persistent-volume.ts';
import type { Pod } from '#api/core/pod.ts';
import type { Volume } from '#api/core/types.generated.ts';
import type { Random } from './random.ts';
import type { ReferenceStorage, StorageSink } from './reference-storage.ts';

const driver = 'csi.example.com';
const zone = 'topology.kubernetes.io/zone';
const classNames = ['now', 'late', 'late', 'late', 'late', 'made', 'made', 'made'];
const namespaces = ['default', 'other'];
const sharedClaims = ['claim-0', 'claim-1', 'claim-2'];

/** What the pods of one workload have for volumes: disks, claims they share, and claims that each has for itself. */
export interface WorkloadVolumes {
  readonly volumes: readonly Volume[];
  readonly own: readonly PersistentVolumeClaim['spec'][];
}

export function randomVolumes(random: Random): WorkloadVolumes {
  if (!random.chance(2)) return { volumes: [], own: [] };
  const volumes: Volume[] = [];
  const readOnly = random.chance(2);
  if (random.chance(2))
    volumes.push({ name: 'shared', persistentVolumeClaim: { claimName: random.pick(sharedClaims) } });
  if (random.chance(6)) volumes.push({ name: 'pd', gcePersistentDisk: { pdName: random.pick(['a', 'b']), readOnly } });
  if (random.chance(8)) volumes.push({ name: 'ebs', awsElasticBlockStore: { volumeID: 'a', readOnly } });
  if (random.chance(8)) {
    volumes.push({ name: 'rbd', rbd: { image: 'a', monitors: [random.pick(['x', 'y']), 'z'], readOnly } });
  }
  const own = Array.from({ length: random.pick([0, 0, 1, 1, 2, 3]) }, () => randomClaimSpec(random));
  return { volumes, own };
}

/** Gives a pod the volumes of its workload, and makes the claims that are its own. */
export function withVolumes(pod: Pod, { volumes, own }: WorkloadVolumes, tell: Tell): Pod {
  const { name = '', namespace = '' } = pod.metadata ?? {};
  const mine = own.map((spec, index): Volume => {
    const claimName = `${name}-${index}`;
    const claim = claimOf(namespace, claimName, spec);
    tell((sink) => sink.putClaim(claim));
    return { name: claimName, persistentVolumeClaim: { claimName } };
  });
  return { ...pod, spec: { ...pod.spec, volumes: [...volumes, ...mine] } };
}

/** Has both sides hear the same. */
export type Tell = (act: (sink: StorageSink) => void) => void;

let serial = 0;

const claimOf = (namespace: string, name: string, spec: PersistentVolumeClaim['spec']): PersistentVolumeClaim => ({
  metadata: { name, namespace, uid: `claim-${serial++}` },
  spec,
  status: { phase: 'Pending' },
});

function randomClaimSpec(random: Random): PersistentVolumeClaim['spec'] {
  return {
    storageClassName: random.pick(classNames),
    accessModes: [random.pick(['ReadWriteOnce', 'ReadWriteOnce', 'ReadWriteOncePod'])],
    resources: { requests: { storage: random.pick(['1Gi', '2Gi', '1500Mi']) } },
    ...(random.chance(5) ? { selector: { matchLabels: { tier: 'gold' } } } : {}),
  };
}

function randomVolume(random: Random, name: string): PersistentVolume {
  const host = { key: 'kubernetes.io/hostname', operator: 'In', values: [`node-${random.below(6)}`, 'node-0'] };
  const zonal = { key: zone, operator: 'In', values: [random.pick(['a', 'b', 'c'])] };
  const required = { nodeSelectorTerms: [{ matchExpressions: [random.pick([host, host, zonal])] }] };
  const labels = {
    ...(random.chance(3) ? { tier: 'gold' } : {}),
    ...(random.chance(6) ? { [zone]: random.pick(['a', 'b__c']) } : {}),
  };
  const claimRef = random.chance(8)
    ? { namespace: random.pick(namespaces), name: random.pick(sharedClaims) }
    : undefined;
  return {
    metadata: { name, labels },
    spec: {
      storageClassName: random.pick(classNames),
      accessModes: random.pick([['ReadWriteOnce'], ['ReadWriteOnce', 'ReadOnlyMany'], ['ReadWriteOncePod']]),
      capacity: { storage: random.pick(['1Gi', '1024Mi', '2Gi', '3Gi']) },
      ...(random.chance(3) ? {} : { nodeAffinity: { required } }),
      ...(random.chance(2) ? { csi: { driver, volumeHandle: name } } : {}),
      ...(claimRef === undefined ? {} : { claimRef }),
    },
    status: { phase: random.chance(8) ? 'Pending' : 'Available' },
  };
}

/** Storage as a random cluster begins with it. */
export function beginStorage(random: Random, tell: Tell): void {
  const allowedTopologies = [{ matchLabelExpressions: [{ key: zone, values: ['a', 'b'] }] }];
  const provisioner = 'kubernetes.io/no-provisioner';
  tell((sink) => sink.putClass({ metadata: { name: 'now' }, provisioner, volumeBindingMode: 'Immediate' }));
  tell((sink) => sink.putClass({ metadata: { name: 'late' }, provisioner, volumeBindingMode: 'WaitForFirstConsumer' }));
  const made = { metadata: { name: 'made' }, provisioner: driver, volumeBindingMode: 'WaitForFirstConsumer' };
  const limited = random.chance(2);
  tell((sink) => sink.putClass(limited ? { ...made, allowedTopologies } : made));
  const count = random.below(12);
  for (let index = 0; index < count; index++) {
    const volume = randomVolume(random, `volume-${index}`);
    tell((sink) => sink.putVolume(volume));
  }
  for (const namespace of namespaces) {
    for (const name of sharedClaims) {
      const claim = claimOf(namespace, name, randomClaimSpec(random));
      if (!random.chance(6)) tell((sink) => sink.putClaim(claim));
    }
  }
}

/** Something about storage changes. */
export function changeStorage(random: Random, storage: ReferenceStorage, tell: Tell): void {
  const name = `volume-${random.below(14)}`;
  const volume = storage.volumes.get(name);
  switch (random.below(9)) {
    case 0:
    case 1: {
      const next = randomVolume(random, name);
      return tell((sink) => sink.putVolume(next));
    }
    case 2:
      return volume === undefined ? undefined : tell((sink) => sink.removeVolume(volume));
    case 3: {
      const checks = !random.chance(4);
      return tell((sink) => sink.putDriver({ metadata: { name: driver }, spec: { storageCapacity: checks } }));
    }
    case 4: {
      const [nodeName, count] = [`node-${random.below(6)}`, random.below(3)];
      const drivers = random.chance(4) ? [] : [{ name: driver, nodeID: nodeName, allocatable: { count } }];
      return tell((sink) => sink.putNode({ metadata: { name: nodeName }, spec: { drivers } }));
    }
    case 5: {
      const place = random.pick(['a', 'b']);
      const capacity = random.pick(['1Gi', '10Gi', '100Mi']);
      const nodeTopology = { matchLabels: { [zone]: place } };
      return tell((sink) =>
        sink.putCapacity({ metadata: { name: place }, storageClassName: 'made', capacity, nodeTopology }),
      );
    }
    case 6: {
      const attachment = {
        metadata: { name: `on-${name}` },
        spec: {
          attacher: driver,
          nodeName: `node-${Number(name.slice(-1)) % 6}`,
          source: { persistentVolumeName: name },
        },
      };
      const isThere = storage.attachments.has(`on-${name}`);
      return tell((sink) => (isThere ? sink.removeAttachment(attachment) : sink.putAttachment(attachment)));
    }
    case 7: {
      if (!random.chance(3)) return;
      const [namespace, claimName] = [random.pick(namespaces), random.pick(sharedClaims)];
      const known = storage.claims.get(`${namespace}/${claimName}`);
      const claim = claimOf(namespace, claimName, randomClaimSpec(random));
      return tell((sink) => (known === undefined ? sink.putClaim(claim) : sink.removeClaim(known)));
    }
    default:
      return bindSome(random, storage, tell);
  }
}

/** What binder and provisioners do about one claim, whatever the scheduler has decided. */
function bindSome(random: Random, storage: ReferenceStorage, tell: Tell): void {
  const open = [...storage.claims.values()].filter(({ spec }) => spec.volumeName === undefined);
  if (open.length === 0) return;
  const claim = random.pick(open);
  if (random.chance(4)) {
    const annotations = { 'volume.kubernetes.io/selected-node': `node-${random.below(4)}` };
    return tell((sink) => sink.putClaim({ ...claim, metadata: { ...claim.metadata, annotations } }));
  }
  const { name = '', namespace = '', uid = '' } = claim.metadata ?? {};
  const decided = [...storage.decided.values()].flat().find((each) => each.claim === `${namespace}/${name}`);
  const volumeName = decided?.volume ?? `made-${serial++}`;
  const volume = storage.volumes.get(volumeName) ?? randomVolume(random, volumeName);
  const spec = { ...volume.spec, claimRef: { namespace, name, uid } };
  tell((sink) => sink.putVolume({ ...volume, spec, status: { phase: 'Bound' } }));
  const annotations = { 'pv.kubernetes.io/bind-completed': 'yes' };
  const bound = { ...claim, metadata: { ...claim.metadata, annotations }, spec: { ...claim.spec, volumeName } };
  tell((sink) => sink.putClaim(bound));
}
