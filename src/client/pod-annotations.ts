/**
 * Annotation of a pod: how many seconds its containers have from SIGTERM to SIGKILL when something other than a
 * deletion ends them (a deadline, say). It may change while they are being stopped; less takes effect at once.
 * Kubernetes fixes `terminationGracePeriodSeconds` when a pod is created, and `docker stop -t` does not.
 */
export const stopGraceAnnotation = 'tutti.dev/stop-grace-seconds';
