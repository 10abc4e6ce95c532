import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAuthenticationConfiguration } from './authentication-configuration.ts';

const issuer = (more: string) => `apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
jwt:
- issuer: {url: https://issuer.example, audiences: [tutti]}
  claimMappings: {username: {claim: sub, prefix: ''}}
${more}`;

test('a configuration is read field by field', () => {
  assert.deepEqual(parseAuthenticationConfiguration(issuer('anonymous: {enabled: false}')), {
    jwt: [
      {
        url: 'https://issuer.example',
        discoveryUrl: undefined,
        authority: undefined,
        audiences: ['tutti'],
        requiredClaims: [],
        claimRules: [],
        userRules: [],
        username: { claim: 'sub', prefix: '' },
        groups: undefined,
        uid: undefined,
        extra: [],
      },
    ],
    anonymousPaths: [],
  });
});

const wrong: readonly (readonly [string, RegExp])[] = [
  ['kind: X', /apiVersion: Unsupported value[^]*kind: Unsupported value/],
  [issuer('  unheard: 1'), /jwt\[0\]\.unheard: Invalid value.*unknown field/],
  [issuer('').replace('https:', 'http:'), /jwt\[0\]\.issuer\.url: .*URL scheme must be https/],
  [issuer('').replace('issuer.example', 'me:pw@issuer.example'), /must not contain a username or password/],
  [issuer('').replace(", prefix: ''", ''), /username\.prefix: Required value/],
  [issuer('').replace("claim: sub, prefix: ''", 'expression: claims.'), /username\.expression: .*compilation failed/],
  [issuer('').replace("claim: sub, prefix: ''", 'expression: 1 + 1'), /must evaluate to string/],
  [issuer('').replace("claim: sub, prefix: ''", 'expression: clams.sub'), /undeclared reference/],
  [issuer('').replace("claim: sub, prefix: ''", 'expression: claims.email'), /claims\.email_verified must be used/],
  [issuer('').replace("claim: sub, prefix: ''", 'expression: claims.sub, claim: sub'), /can't both be set/],
  [issuer('  claimValidationRules: [{}]'), /claimValidationRules\[0\]: Required value.*claim or expression/],
  [issuer('').replace('[tutti]', '[]'), /issuer\.audiences: Required value/],
  [issuer('  userValidationRules: [{expression: x}]'), /userValidationRules\[0\]\.expression: .*compilation failed/],
  [issuer('anonymous: {enabled: false, conditions: [{path: /x}]}'), /enabled should be set to true/],
];

for (const [text, message] of wrong) {
  test(`a configuration is refused: ${message.source}`, () => {
    assert.throws(() => parseAuthenticationConfiguration(text), { message });
  });
}
