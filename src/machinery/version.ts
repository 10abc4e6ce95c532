/** What this Tutti is, and which Kubernetes API it serves. `tutti` equals package.json's version (a test checks). */
export const versionInfo = {
  tutti: '0.1.0',
  major: '1',
  minor: '35',
  gitVersion: 'v1.35.0+tutti.0.1.0',
} as const;
