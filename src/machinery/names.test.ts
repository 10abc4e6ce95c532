import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generatedName } from './generated-name.ts';
import * as names from './names.ts';

test('complaints about names carry the texts clients know', () => {
  assert.deepEqual(names.dns1123SubdomainComplaints('Bad_Name'), [
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
  ]);
  assert.deepEqual(names.dns1123LabelComplaints('-a'), [
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
  ]);
  assert.deepEqual(names.dns1123LabelComplaints('a.b'), ['must not contain dots']);
  assert.deepEqual(names.dns1123LabelComplaints('a'.repeat(64)), ['must be no more than 63 characters']);
  assert.deepEqual(names.dns1035LabelComplaints('1a'), [
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
  ]);
  assert.deepEqual(names.qualifiedNameComplaints('/a'), ['prefix part must be non-empty']);
  assert.deepEqual(names.qualifiedNameComplaints('a/'), [
    'name part must be non-empty',
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
  ]);
  assert.deepEqual(names.portNameComplaints('9'), ['must contain at least one letter (a-z)']);
  assert.deepEqual(names.portNumberComplaints(0), ['must be between 1 and 65535, inclusive']);
  assert.deepEqual(names.configKeyComplaints('..a'), ["must not start with '..'"]);
  assert.deepEqual(names.pathSegmentComplaints('a/b'), ["may not contain '/'"]);
  assert.deepEqual(names.environmentNameComplaints('A=B'), [
    "a valid environment variable name must consist only of printable ASCII characters other than '='",
  ]);
});

test('good names get no complaint', () => {
  assert.deepEqual(names.dns1123SubdomainComplaints('a.b-c.d1'), []);
  assert.deepEqual(names.qualifiedNameComplaints('example.com/My.Name_1'), []);
  assert.deepEqual(names.labelValueComplaints(''), []);
  assert.deepEqual(names.labelValueComplaints('My_value.1'), []);
  assert.deepEqual(names.portNameComplaints('http-2'), []);
  assert.deepEqual(names.environmentNameComplaints('MY.ENV-1 x'), []);
  assert.deepEqual(names.configKeyComplaints('.bashrc'), []);
});

test('a long hostile name is judged in no time', () => {
  const started = performance.now();
  names.dns1123SubdomainComplaints(`${'a-'.repeat(100_000)}!`);
  names.qualifiedNameComplaints(`${'a_'.repeat(100_000)}!`);
  assert.ok(performance.now() - started < 500);
});

test('a generated name has five letters more than its base, and fits a DNS label', () => {
  assert.equal(
    generatedName('web-', () => 0),
    'web-bbbbb',
  );
  assert.match(generatedName('web-', Math.random), /^web-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
  assert.equal(generatedName('a'.repeat(100), Math.random).length, 63);
});
