import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { admissionOptions } from './admission.ts';
import { StartError } from './data-dir.ts';

async function fileWith(t: TestContext, text: string, name = 'admission.yaml'): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'tutti-admission-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = path.join(folder, name);
  await writeFile(file, text);
  return file;
}

const head = 'apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins:\n- name: PodSecurity\n';
const body = `
    apiVersion: pod-security.admission.config.k8s.io/v1
    kind: PodSecurityConfiguration
    defaults:
      enforce: baseline
      enforce-version: v1.30
      audit: restricted
    exemptions:
      usernames: [ci]
      namespaces: [kube-system]
      runtimeClasses: []
`;

test('admissionOptions() reads upstream’s file, inline or beside it', async (t) => {
  const expected = {
    ownerPermissions: false,
    podSecurity: {
      defaults: {
        enforce: { level: 'baseline', version: 30 },
        audit: { level: 'restricted', version: 'latest' },
        warn: { level: 'privileged', version: 'latest' },
      },
      exempt: { usernames: ['ci'], namespaces: ['kube-system'], runtimeClasses: [] },
    },
  };
  const inline = await fileWith(t, `${head}  configuration:${body}`);
  assert.deepEqual(await admissionOptions({ configFile: inline }), expected);
  const other = await fileWith(t, body.replaceAll('\n    ', '\n'), 'pod-security.yaml');
  const beside = await fileWith(t, `${head}  path: ${other}\n`);
  assert.deepEqual(await admissionOptions({ configFile: beside }), expected);
  assert.deepEqual(await admissionOptions({ enable: ['OwnerReferencesPermissionEnforcement'] }), {
    ownerPermissions: true,
  });
});

test('admissionOptions() names what is wrong with a file', async (t) => {
  const cases: readonly (readonly [text: string, says: RegExp])[] = [
    ['kind: Pod\n', /it is no AdmissionConfiguration/],
    [head.replace('PodSecurity', 'EventRateLimit'), /plugin "EventRateLimit" takes no configuration here/],
    [
      `${head}  configuration: {defaults: {enforce: strict}}\n`,
      /defaults\[enforce\]: Invalid value: "strict": must be one of/,
    ],
    [`${head}  configuration: {defaults: {enforced: baseline}}\n`, /unknown field "defaults\.enforced"/],
    [
      `${head}  configuration: {exemptions: {namespaces: [a, a]}}\n`,
      /exemptions\.namespaces\[1\]: Duplicate value: "a"/,
    ],
  ];
  for (const [text, says] of cases) {
    const configFile = await fileWith(t, text);
    await assert.rejects(
      admissionOptions({ configFile }),
      (error) => error instanceof StartError && says.test(error.message),
    );
  }
});
