import { Codec, type FieldRow, type MessageTable } from '#lib/proto3.ts';

/**
 * The messages of etcd's v3 API that the store uses, with their field numbers.
 * Source: etcd-io/etcd, api/etcdserverpb/rpc.proto and api/mvccpb/kv.proto (v3.4; numbers never change).
 */
const one = (number: number, name: string, type: string): FieldRow => [number, name, 'single', type];
const many = (number: number, name: string, type: string): FieldRow => [number, name, 'repeated', type];
const message = (...fields: readonly FieldRow[]): MessageTable => ({ fields });

const tables: Readonly<Record<string, MessageTable>> = {
  ResponseHeader: message(one(3, 'revision', 'int64')),
  KeyValue: message(
    one(1, 'key', 'bytes'),
    one(2, 'createRevision', 'int64'),
    one(3, 'modRevision', 'int64'),
    one(5, 'value', 'bytes'),
  ),
  RangeRequest: message(
    one(1, 'key', 'bytes'),
    one(2, 'rangeEnd', 'bytes'),
    one(3, 'limit', 'int64'),
    one(4, 'revision', 'int64'),
  ),
  RangeResponse: message(
    one(1, 'header', 'ResponseHeader'),
    many(2, 'kvs', 'KeyValue'),
    one(3, 'more', 'bool'),
    one(4, 'count', 'int64'),
  ),
  PutRequest: message(one(1, 'key', 'bytes'), one(2, 'value', 'bytes')),
  DeleteRangeRequest: message(one(1, 'key', 'bytes')),
  RequestOp: message(
    one(1, 'requestRange', 'RangeRequest'),
    one(2, 'requestPut', 'PutRequest'),
    one(3, 'requestDeleteRange', 'DeleteRangeRequest'),
  ),
  ResponseOp: message(one(1, 'responseRange', 'RangeResponse')),
  CompareTarget: { enum: { VERSION: 0, CREATE: 1, MOD: 2, VALUE: 3 } },
  Compare: message(one(2, 'target', 'CompareTarget'), one(3, 'key', 'bytes'), one(6, 'modRevision', 'int64')),
  TxnRequest: message(many(1, 'compare', 'Compare'), many(2, 'success', 'RequestOp'), many(3, 'failure', 'RequestOp')),
  TxnResponse: message(
    one(1, 'header', 'ResponseHeader'),
    one(2, 'succeeded', 'bool'),
    many(3, 'responses', 'ResponseOp'),
  ),
  CompactionRequest: message(one(1, 'revision', 'int64')),
  CompactionResponse: message(one(1, 'header', 'ResponseHeader')),
  WatchCreateRequest: message(
    one(1, 'key', 'bytes'),
    one(2, 'rangeEnd', 'bytes'),
    one(3, 'startRevision', 'int64'),
    one(4, 'progressNotify', 'bool'),
    one(6, 'prevKv', 'bool'),
    one(8, 'fragment', 'bool'),
  ),
  WatchRequest: message(one(1, 'createRequest', 'WatchCreateRequest')),
  EventType: { enum: { PUT: 0, DELETE: 1 } },
  Event: message(one(1, 'type', 'EventType'), one(2, 'kv', 'KeyValue'), one(3, 'prevKv', 'KeyValue')),
  WatchResponse: message(
    one(1, 'header', 'ResponseHeader'),
    one(3, 'created', 'bool'),
    one(4, 'canceled', 'bool'),
    one(5, 'compactRevision', 'int64'),
    one(6, 'cancelReason', 'string'),
    one(7, 'fragment', 'bool'),
    many(11, 'events', 'Event'),
  ),
};

export interface ResponseHeader {
  readonly revision: bigint;
}
export interface KeyValue {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly createRevision: bigint;
  readonly modRevision: bigint;
}
export interface RangeResponse {
  readonly header: ResponseHeader;
  readonly kvs: readonly KeyValue[];
  readonly more: boolean;
  readonly count: bigint;
}
export interface TxnResponse {
  readonly header: ResponseHeader;
  readonly succeeded: boolean;
  readonly responses: readonly { readonly responseRange?: RangeResponse }[];
}
export interface WatchResponse {
  readonly header: ResponseHeader;
  readonly created: boolean;
  readonly canceled: boolean;
  readonly compactRevision: bigint;
  readonly cancelReason: string;
  readonly fragment: boolean;
  readonly events: readonly { readonly type: 'PUT' | 'DELETE'; readonly kv: KeyValue; readonly prevKv?: KeyValue }[];
}

export const etcdCodec = new Codec(tables);
