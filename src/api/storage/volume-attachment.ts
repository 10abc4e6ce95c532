import { forbidden, invalid, required, tooLong } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { dns1123SubdomainComplaints, rangeComplaint } from '#machinery/names.ts';
import { definition } from '../definitions.ts';
import { ageColumn, boolean, column, nameColumn } from '../rules/columns.ts';
import { complain, immutable, text } from '../rules/fields.ts';
import { resetStatus } from '../rules/reset-status.ts';
import { driverNameErrors } from './driver-name.ts';
import type * as types from './types.generated.ts';

const metadataBytesMax = 256 * 1024;
const messageBytesMax = 1024;

export type VolumeAttachment = types.VolumeAttachment;
export const VolumeAttachment: Kind<VolumeAttachment> = {
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'VolumeAttachment',
  plural: 'volumeattachments',
  singular: 'volumeattachment',
  namespaced: false,
  get schema() {
    return definition('io.k8s.api.storage.v1.VolumeAttachment');
  },
  subresources: {
    status: true,
  },
  prepareForCreate: resetStatus,
  /** Source: kubernetes pkg/apis/storage/validation (ValidateVolumeAttachment). */
  validate({ spec, status }) {
    const { attacher, nodeName, source } = spec;
    const name = source?.persistentVolumeName;
    return [
      ...text('spec.attacher', attacher),
      ...sourceErrors('spec.source', source ?? {}),
      ...complain('spec.nodeName', nodeName ?? '', dns1123SubdomainComplaints(nodeName ?? '')),
      ...metadataErrors('status.attachmentMetadata', status?.attachmentMetadata),
      ...volumeErrors('status.attachError', status?.attachError),
      ...volumeErrors('status.detachError', status?.detachError),
      // What v1 asks for beyond what upstream's older versions did.
      ...driverNameErrors('spec.attacher', attacher).filter(({ type }) => type !== 'FieldValueRequired'),
      ...(name === undefined
        ? []
        : complain('spec.source.persistentVolumeName', name, dns1123SubdomainComplaints(name))),
    ];
  },
  validateUpdate: ({ spec }, stored) => immutable('spec', spec, stored.spec),
  columns: [
    nameColumn,
    column('Attacher', 'The driver that attaches the volume.', ({ spec }) => spec.attacher),
    column('PV', 'The volume.', ({ spec }) => spec.source?.persistentVolumeName ?? ''),
    column('Node', 'The node it is attached to.', ({ spec }) => spec.nodeName),
    boolean('Attached', 'Whether it is attached.', ({ status }) => status?.attached ?? false),
    ageColumn,
  ],
};

function sourceErrors(field: string, source: types.VolumeAttachmentSource): FieldError[] {
  const { inlineVolumeSpec: inline, persistentVolumeName: name } = source;
  const one = 'must specify exactly one of inlineVolumeSpec and persistentVolumeName';
  if (inline === undefined && name === undefined) return [required(field, one)];
  if (inline !== undefined && name !== undefined) return [forbidden(field, one)];
  return name === '' ? [required(`${field}.persistentVolumeName`, 'must specify non empty persistentVolumeName')] : [];
}

function metadataErrors(field: string, metadata: Readonly<Record<string, string>> | undefined): FieldError[] {
  const bytes = Object.entries(metadata ?? {}).reduce(
    (sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value),
    0,
  );
  return bytes > metadataBytesMax ? [tooLong(field, metadataBytesMax)] : [];
}

function volumeErrors(field: string, error: types.VolumeError | undefined): FieldError[] {
  if (error === undefined) return [];
  const { message = '', errorCode } = error;
  return [
    ...(Buffer.byteLength(message) > messageBytesMax ? [tooLong(`${field}.message`, metadataBytesMax)] : []),
    ...(errorCode !== undefined && errorCode < 0
      ? [invalid(`${field}.errorCode`, errorCode, rangeComplaint(0, 2 ** 31 - 1))]
      : []),
  ];
}
