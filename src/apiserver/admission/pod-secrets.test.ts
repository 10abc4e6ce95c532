import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '#api/core/pod.ts';
import type { ServiceAccount } from '#api/core/service-account.ts';
import { mirrorComplaint, secretComplaint } from './pod-secrets.ts';

const account: ServiceAccount = {
  metadata: { name: 'x', namespace: 'a', annotations: { 'kubernetes.io/enforce-mountable-secrets': 'true' } },
  secrets: [{ name: 'own' }],
  imagePullSecrets: [{ name: 'pull' }],
};
const container = { name: 'c', image: 'i' };
const pod = (spec: Partial<Pod['spec']>): Pod => ({ metadata: {}, spec: { containers: [container], ...spec } });
const from = (name: string) => [{ name: 'E', valueFrom: { secretKeyRef: { name, key: 'k' } } }];
const refused = 'is not allowed because service account x does not reference that secret';

test('secretComplaint() names the first Secret that is not the account’s', () => {
  const cases: readonly (readonly [Partial<Pod['spec']>, string | undefined])[] = [
    [{ volumes: [{ name: 'v', secret: { secretName: 'own' } }], imagePullSecrets: [{ name: 'pull' }] }, undefined],
    [{ volumes: [{ name: 'v', secret: { secretName: 's' } }] }, `volume with secret.secretName="s" ${refused}`],
    [
      { initContainers: [{ ...container, env: from('s') }] },
      `init container c with envVar E referencing secret.secretName="s" ${refused}`,
    ],
    [
      { containers: [{ ...container, envFrom: [{ secretRef: { name: 's' } }] }] },
      `container c with envFrom referencing secret.secretName="s" ${refused}`,
    ],
    [
      { ephemeralContainers: [{ ...container, env: from('s') }] },
      `ephemeral container c with envVar E referencing secret.secretName="s" ${refused}`,
    ],
    [
      { imagePullSecrets: [{ name: 's' }] },
      'imagePullSecrets[0].name="s" is not allowed because service account x does not reference that imagePullSecret',
    ],
  ];
  for (const [spec, says] of cases) {
    assert.equal(secretComplaint(pod(spec), account), says);
    assert.equal(secretComplaint(pod(spec), { ...account, metadata: { name: 'x' } }), undefined);
  }
});

test('mirrorComplaint() lets a mirror pod have nothing that is secret', () => {
  const cases: readonly (readonly [Partial<Pod['spec']>, string | undefined])[] = [
    [{}, undefined],
    [{ serviceAccountName: 'x' }, 'a mirror pod may not reference service accounts'],
    [{ containers: [{ ...container, env: from('s') }] }, 'a mirror pod may not reference secrets'],
    [{ volumes: [{ name: 'v', secret: {} }] }, 'a mirror pod may not reference secrets'],
    [
      { volumes: [{ name: 'v', projected: { sources: [{ serviceAccountToken: { path: 't' } }] } }] },
      'a mirror pod may not use ServiceAccountToken volume projections',
    ],
  ];
  for (const [spec, says] of cases) assert.equal(mirrorComplaint(pod(spec)), says);
});
