/** Placeholder of the seam: see the machinery area. */
export interface Selector {
  matches(labels: Readonly<Record<string, string>> | undefined): boolean;
}
