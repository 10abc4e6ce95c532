import { definition } from '#api/definitions.ts';
import { conform } from '#machinery/conform.ts';
import { apiVersionOf, type Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import { encodeProtobuf, encodeWatchFrame } from '#machinery/protobuf.ts';
import { bookmarkMetadata } from '../watch-cache/watcher.ts';
import { protobufType } from './negotiation.ts';
import type { EventEncoder } from './watch-stream.ts';

/** How upstream names a stream of frames. Source: k8s.io/apiserver/pkg/endpoints/handlers/watch.go. */
export const protobufStreamType = `${protobufType};stream=watch`;

const statusSchema = 'io.k8s.apimachinery.pkg.apis.meta.v1.Status';

/** Whole objects as frames, for clients that take no JSON; each is encoded once for all of them. */
export function protobufEncoder(kind: Kind): EventEncoder {
  const frame = (type: string, object: Uint8Array) => Buffer.from(encodeWatchFrame(type, object));
  return {
    shared: true,
    object: (type, { whole }) => frame(type, encodeProtobuf(kind.schema, whole)),
    bookmark(resourceVersion, initial) {
      const metadata = bookmarkMetadata(resourceVersion, initial);
      const { value } = conform(kind.schema, { kind: kind.kind, apiVersion: apiVersionOf(kind), metadata });
      return frame('BOOKMARK', encodeProtobuf(kind.schema, value as ApiObject));
    },
    error: (error) => frame('ERROR', encodeProtobuf(definition(statusSchema), error.toStatus())),
  };
}
