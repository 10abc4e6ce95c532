/** What this dialect writes on the pods it makes, so that nothing a Docker client said is lost. */
export const marks = {
  /** Annotation: 64 hex digits, for the whole life of a container, which may outlive several pods. */
  id: 'docker.tutti.dev/id',
  /** Annotation: the container's name in Docker. */
  name: 'docker.tutti.dev/name',
  /** Annotation: the body of the create request, as it came. */
  config: 'docker.tutti.dev/config',
  /** Annotation: RFC 3339, when the container was created. */
  created: 'docker.tutti.dev/created',
  /** Annotation: why the last start failed, as JSON `{exitCode, error}`. */
  failure: 'docker.tutti.dev/failed-start',
  /** Label `true` on every pod of a container that Docker made. */
  managed: 'docker.tutti.dev/container',
  /** Label `true` on the short-lived pods of `docker pull`. */
  pull: 'docker.tutti.dev/pull',
  /** Scheduling gate: created, but not started. */
  gate: 'docker.tutti.dev/created',
} as const;

export const markPrefix = 'docker.tutti.dev/';
/** How the one container in the pod of a Docker container is called. */
export const mainContainer = 'main';
