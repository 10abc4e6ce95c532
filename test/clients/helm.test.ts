/**
 * A chart as Helm 4 installs, upgrades, rolls back and uninstalls it: its calls, with the official client. What Helm
 * asks for, in which order, is from its pkg/kube/client.go, pkg/action and pkg/storage/driver/secrets.go.
 */
import assert from 'node:assert/strict';
import { gunzipSync, gzipSync } from 'node:zlib';
import { after, before, test } from 'node:test';
import {
  AppsV1Api,
  BatchV1Api,
  CoreV1Api,
  KubeConfig,
  KubernetesObjectApi,
  PatchStrategy,
  setHeaderOptions,
  type KubernetesObject,
  type V1ManagedFieldsEntry,
  type V1Secret,
} from '@kubernetes/client-node';
import { Tutti } from '../support/tutti.ts';
import { until } from '../support/until.ts';

const manager = 'helm';
const namespace = 'default';

let cluster: Tutti;
let objects: KubernetesObjectApi;
let core: CoreV1Api;
let apps: AppsV1Api;
let batch: BatchV1Api;
before(async () => {
  cluster = await Tutti.up(['--sim', '--nodes', '2']);
  const config = new KubeConfig();
  config.loadFromFile(cluster.kubeconfig);
  objects = KubernetesObjectApi.makeApiClient(config);
  core = config.makeApiClient(CoreV1Api);
  apps = config.makeApiClient(AppsV1Api);
  batch = config.makeApiClient(BatchV1Api);
});
after(() => cluster[Symbol.asyncDispose]());

type Open = KubernetesObject & Readonly<Record<string, unknown>>;
const failed = (code: number) => (error: { readonly code?: number }) => error.code === code;

async function find(object: KubernetesObject): Promise<KubernetesObject | undefined> {
  try {
    return await objects.read(object as { apiVersion: string; kind: string; metadata: { name: string } });
  } catch (error) {
    if (failed(404)(error as { code?: number })) return undefined;
    throw error;
  }
}

/** What helm keeps of itself: one Secret a revision. */
class Release {
  readonly #name: string;
  constructor(name: string) {
    this.#name = name;
  }

  async history(): Promise<readonly V1Secret[]> {
    const labelSelector = `name=${this.#name},owner=helm`;
    const { items } = await core.listNamespacedSecret({ namespace, labelSelector });
    return items.toSorted((a, b) => Number(a.metadata?.labels?.['version']) - Number(b.metadata?.labels?.['version']));
  }

  async statuses(): Promise<readonly (string | undefined)[]> {
    return (await this.history()).map(({ metadata }) => metadata?.labels?.['status']);
  }

  /** As it was rendered for a revision. */
  async manifest(version: number): Promise<readonly Open[]> {
    const secret = await core.readNamespacedSecret({ namespace, name: this.#secretName(version) });
    const release = Buffer.from(secret.data?.['release'] ?? '', 'base64').toString();
    return JSON.parse(gunzipSync(Buffer.from(release, 'base64')).toString()) as readonly Open[];
  }

  #secretName(version: number): string {
    return `sh.helm.release.v1.${this.#name}.v${version}`;
  }

  async #record(version: number, status: string, manifest: readonly Open[]): Promise<void> {
    const release = gzipSync(JSON.stringify(manifest)).toString('base64');
    const labels = { modifiedAt: '1', name: this.#name, owner: 'helm', status, version: `${version}` };
    const body = {
      metadata: { name: this.#secretName(version), labels },
      type: 'helm.sh/release.v1',
      data: { release: Buffer.from(release).toString('base64') },
    };
    if (status.startsWith('pending')) await core.createNamespacedSecret({ namespace, body });
    else await core.replaceNamespacedSecret({ namespace, name: this.#secretName(version), body });
  }

  #owned(chart: readonly Open[]): readonly Open[] {
    return chart.map((object) => ({
      ...object,
      metadata: Object.assign({}, object.metadata, {
        namespace,
        labels: { 'app.kubernetes.io/managed-by': 'Helm', ...object.metadata?.labels },
        annotations: {
          'meta.helm.sh/release-name': this.#name,
          'meta.helm.sh/release-namespace': namespace,
          ...object.metadata?.annotations,
        },
      }),
    }));
  }

  async install(chart: readonly Open[]): Promise<void> {
    const manifest = this.#owned(chart);
    assert.deepEqual(await this.history(), [], 'the name is free');
    for (const object of manifest) assert.equal(await find(object), undefined, 'nobody else has it');
    await this.#record(1, 'pending-install', manifest);
    for (const object of manifest) await apply(object);
    await this.#record(1, 'deployed', manifest);
  }

  async upgrade(
    chart: readonly Open[],
    { pending = 'pending-upgrade', force = false, takesOver = false } = {},
  ): Promise<void> {
    const history = await this.history();
    const last = Number(history.at(-1)?.metadata?.labels?.['version']);
    const [previous, manifest] = [await this.manifest(last), this.#owned(chart)];
    await this.#record(last + 1, pending, manifest);
    try {
      for (const object of manifest) {
        const live = await find(object);
        if (live !== undefined && takesOver) await upgradeFieldManager(live);
        await apply(object, { force });
      }
      const same = (a: Open, b: Open) => a.kind === b.kind && a.metadata?.name === b.metadata?.name;
      for (const gone of previous.filter((old) => !manifest.some((now) => same(old, now)))) await remove(gone);
    } catch (error) {
      await this.#record(last + 1, 'failed', manifest);
      throw error;
    }
    await this.#record(last, 'superseded', previous);
    await this.#record(last + 1, 'deployed', manifest);
  }

  async rollback(version: number): Promise<void> {
    await this.upgrade(await this.manifest(version), { pending: 'pending-rollback' });
  }

  async uninstall(): Promise<void> {
    const history = await this.history();
    const last = Number(history.at(-1)?.metadata?.labels?.['version']);
    for (const object of (await this.manifest(last)).toReversed()) await remove(object);
    for (const { metadata } of history) await core.deleteNamespacedSecret({ namespace, name: metadata?.name ?? '' });
  }
}

/** Server-side apply, which is Helm 4's way unless one asks for the old one. */
function apply(object: Open, { force = false, dryRun = false } = {}): Promise<KubernetesObject> {
  return objects.patch(object, undefined, dryRun ? 'All' : undefined, manager, force, PatchStrategy.ServerSideApply);
}

async function remove(object: Open): Promise<void> {
  await objects.delete(object, undefined, undefined, undefined, undefined, 'Background').catch((error: unknown) => {
    if (!failed(404)(error as { code?: number })) throw error;
  });
}

/** What client-go's csaupgrade does: what an older helm has written by updates becomes what helm applies. */
async function upgradeFieldManager(live: KubernetesObject): Promise<void> {
  const entries = live.metadata?.managedFields ?? [];
  const isOld = ({ manager: by, operation, subresource = '' }: V1ManagedFieldsEntry) =>
    by === manager && operation === 'Update' && subresource === '';
  if (!entries.some(isOld)) return;
  const value = entries.map((entry) => (isOld(entry) ? Object.assign({}, entry, { operation: 'Apply' }) : entry));
  const body = [
    { op: 'replace', path: '/metadata/managedFields', value },
    { op: 'replace', path: '/metadata/resourceVersion', value: live.metadata?.resourceVersion },
  ];
  const json = setHeaderOptions('Content-Type', PatchStrategy.JsonPatch);
  const target = { namespace, name: live.metadata?.name ?? '', body, fieldManager: manager };
  switch (live.kind) {
    case 'ServiceAccount':
      return void (await core.patchNamespacedServiceAccount(target, json));
    case 'ConfigMap':
      return void (await core.patchNamespacedConfigMap(target, json));
    case 'Service':
      return void (await core.patchNamespacedService(target, json));
    case 'Deployment':
      return void (await apps.patchNamespacedDeployment(target, json));
    default:
      throw new Error(`no ${live.kind} is in the chart`);
  }
}

interface Values {
  readonly name: string;
  readonly replicas?: number;
  readonly image?: string;
  readonly settings?: Readonly<Record<string, string>>;
  readonly extra?: boolean;
}

function shopChart({
  name,
  replicas = 2,
  image = 'web:1',
  settings = { a: '1', b: '2' },
  extra = true,
}: Values): Open[] {
  const labels = { 'app.kubernetes.io/name': name };
  const containers = [{ name: 'main', image, ports: [{ containerPort: 80 }], envFrom: [{ configMapRef: { name } }] }];
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name } },
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: settings },
    ...(extra ? [{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `${name}-extra` }, data: { x: 'y' } }] : []),
    { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { selector: labels, ports: [{ port: 80 }] } },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, labels },
      spec: {
        replicas,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { serviceAccountName: name, containers } },
      },
    },
  ];
}

const placed = (object: Open): Open => ({ ...object, metadata: Object.assign({}, object.metadata, { namespace }) });

const deployed = (name: string) =>
  until(`${name} is rolled out`, async () => {
    const { metadata, spec, status } = await apps.readNamespacedDeployment({ namespace, name });
    return (
      status?.observedGeneration === metadata?.generation &&
      status?.updatedReplicas === spec?.replicas &&
      status?.readyReplicas === spec?.replicas &&
      status?.replicas === spec?.replicas
    );
  });

test('install, upgrade, rollback and uninstall leave what a chart says, and a history', async () => {
  const release = new Release('shop');
  await release.install(shopChart({ name: 'shop' }));
  await deployed('shop');
  const { metadata } = await apps.readNamespacedDeployment({ namespace, name: 'shop' });
  const writers = metadata?.managedFields?.filter(({ subresource }) => subresource === undefined);
  assert.deepEqual(
    writers?.map(({ manager: by, operation }) => `${by} ${operation}`),
    ['helm Apply', 'deployment-controller Update'],
  );

  await release.upgrade(shopChart({ name: 'shop', replicas: 3, image: 'web:2', settings: { a: '9' }, extra: false }));
  await deployed('shop');
  const upgraded = await apps.readNamespacedDeployment({ namespace, name: 'shop' });
  assert.equal(upgraded.spec?.template.spec?.containers[0]?.image, 'web:2');
  assert.deepEqual((await core.readNamespacedConfigMap({ namespace, name: 'shop' })).data, { a: '9' });
  await assert.rejects(core.readNamespacedConfigMap({ namespace, name: 'shop-extra' }), failed(404));

  await release.rollback(1);
  await deployed('shop');
  const back = await apps.readNamespacedDeployment({ namespace, name: 'shop' });
  assert.deepEqual([back.spec?.replicas, back.spec?.template.spec?.containers[0]?.image], [2, 'web:1']);
  assert.deepEqual((await core.readNamespacedConfigMap({ namespace, name: 'shop' })).data, { a: '1', b: '2' });
  assert.deepEqual((await core.readNamespacedConfigMap({ namespace, name: 'shop-extra' })).data, { x: 'y' });
  assert.deepEqual(await release.statuses(), ['superseded', 'superseded', 'deployed']);

  await release.uninstall();
  assert.deepEqual(await release.history(), []);
  await until('everything of the release is gone', async () => {
    const pods = await core.listNamespacedPod({ namespace, labelSelector: 'app.kubernetes.io/name=shop' });
    return pods.items.length === 0 && (await find(shopChart({ name: 'shop' }).at(-1)!)) === undefined;
  });
});

test('an upgrade that changes nothing writes nothing', async () => {
  const release = new Release('still');
  await release.install(shopChart({ name: 'still' }));
  await deployed('still');
  const versions = async () =>
    Promise.all((await release.manifest(1)).map(async (object) => (await find(object))?.metadata?.resourceVersion));
  const earlier = await versions();
  await release.upgrade(shopChart({ name: 'still' }));
  assert.deepEqual(await versions(), earlier);
  await release.uninstall();
});

test('what others own is a conflict, which the release records as failed, unless it is taken by force', async () => {
  const release = new Release('shared');
  await release.install(shopChart({ name: 'shared' }));
  const merge = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);
  const edited = { namespace, name: 'shared', body: { data: { a: 'edited' } }, fieldManager: 'kubectl-edit' };
  await core.patchNamespacedConfigMap(edited, merge);
  await assert.rejects(
    release.upgrade(shopChart({ name: 'shared', settings: { a: '3' } })),
    (error: { code?: number; body?: string }) => {
      assert.equal(error.code, 409);
      assert.match(
        JSON.stringify(error.body),
        /Apply failed with 1 conflict: conflict with .*kubectl-edit.*: \.data\.a/,
      );
      return true;
    },
  );
  assert.deepEqual(await release.statuses(), ['deployed', 'failed']);
  await release.upgrade(shopChart({ name: 'shared', settings: { a: '3' } }), { force: true });
  assert.deepEqual((await core.readNamespacedConfigMap({ namespace, name: 'shared' })).data, { a: '3' });
  await release.uninstall();
});

test('a chart that an older helm has installed by updates is taken over, and loses what it no longer says', async () => {
  const release = new Release('older');
  await release.install([]);
  const old = shopChart({ name: 'older' });
  for (const object of old) await objects.create(placed(object), undefined, undefined, manager);
  await deployed('older');
  await release.upgrade(shopChart({ name: 'older', settings: { a: '1' } }), { takesOver: true });
  assert.deepEqual((await core.readNamespacedConfigMap({ namespace, name: 'older' })).data, { a: '1' });
  await release.upgrade(shopChart({ name: 'older', settings: {}, image: 'web:3' }), { takesOver: true });
  assert.equal((await core.readNamespacedConfigMap({ namespace, name: 'older' })).data, undefined);
  await deployed('older');
  await release.uninstall();
});

test('hooks run to their end before the rest goes on, and are made anew', async () => {
  const hook: Open = {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'migrate', namespace, annotations: { 'helm.sh/hook': 'pre-upgrade' } },
    spec: {
      template: {
        metadata: { annotations: { 'sim.tutti.dev/run-seconds': '1' } },
        spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'web:1' }] },
      },
    },
  };
  const uids: (string | undefined)[] = [];
  for (let round = 0; round < 2; round++) {
    // before-hook-creation, Helm's default: the old one goes first, and is waited for.
    await remove(hook);
    await until('the old hook is gone', async () => (await find(hook)) === undefined);
    await apply(hook);
    const done = await until('the hook is complete', async () => {
      const job = await batch.readNamespacedJob({ namespace, name: 'migrate' });
      return job.status?.conditions?.some(({ type, status }) => type === 'Complete' && status === 'True') === true
        ? job
        : undefined;
    });
    uids.push(done.metadata?.uid);
  }
  assert.notEqual(uids[0], uids[1]);
  await remove(hook);
});

test('a dry run on the server says what is wrong and leaves nothing', async () => {
  const [, configMap] = shopChart({ name: 'dry' });
  const object = placed(configMap!);
  const shown = await apply(object, { dryRun: true });
  assert.notEqual(shown.metadata?.uid, undefined);
  assert.equal(await find(object), undefined);
  const wrong = { ...object, data: { 'not valid': 'x' } };
  await assert.rejects(apply(wrong, { dryRun: true }), failed(422));
  const strict = setHeaderOptions('Content-Type', PatchStrategy.ServerSideApply);
  const unknown = {
    namespace,
    name: 'dry',
    body: { ...object, spec: 1 },
    fieldManager: manager,
    fieldValidation: 'Strict',
  };
  await assert.rejects(core.patchNamespacedConfigMap(unknown, strict), failed(400));
});
