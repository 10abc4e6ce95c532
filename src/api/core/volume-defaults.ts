/** Source: kubernetes pkg/apis/core/v1/defaults.go. */
import { mapField, mapItems, withDefaults } from '../rules/defaulting.ts';
import { defaultPullPolicy } from './image-pull-policy.ts';
import type * as types from './types.generated.ts';

/** 0644 */
const defaultMode = 420;

/** A volume without a source is an empty directory. */
export function defaultVolume(volume: types.Volume): types.Volume {
  let result = Object.keys(volume).every((key) => key === 'name') ? { ...volume, emptyDir: {} } : volume;
  result = mapField(result, 'secret', (source) => withDefaults(source, { defaultMode }));
  result = mapField(result, 'configMap', (source) => withDefaults(source, { defaultMode }));
  result = mapField(result, 'hostPath', (source) => withDefaults(source, { type: '' }));
  result = mapField(result, 'downwardAPI', (source) => defaultFiles(withDefaults(source, { defaultMode })));
  result = mapField(result, 'projected', (source) =>
    mapField(withDefaults(source, { defaultMode }), 'sources', (sources) => mapItems(sources, defaultProjection)),
  );
  result = mapField(result, 'ephemeral', (source) =>
    mapField(source, 'volumeClaimTemplate', (template) =>
      mapField(template, 'spec', (spec) => withDefaults(spec, { volumeMode: 'Filesystem' })),
    ),
  );
  return mapField(result, 'image', (source) =>
    withDefaults(source, { pullPolicy: defaultPullPolicy(source.reference ?? '') }),
  );
}

function defaultProjection(projection: types.VolumeProjection): types.VolumeProjection {
  return mapField(mapField(projection, 'downwardAPI', defaultFiles), 'serviceAccountToken', (token) =>
    withDefaults(token, { expirationSeconds: 3600 }),
  );
}

function defaultFiles<T extends types.DownwardAPIProjection>(source: T): T {
  return mapField(
    source,
    'items',
    (items) =>
      mapItems(items, (item) =>
        mapField(
          mapField(item, 'fieldRef', (ref) => withDefaults(ref, { apiVersion: 'v1' })),
          'resourceFieldRef',
          (ref) => withDefaults(ref, { divisor: '0' }),
        ),
      ) as T['items'],
  );
}
