/** Letters and digits that make no words. Source: k8s.io/apimachinery/pkg/util/rand. */
const alphabet = 'bcdfghjklmnpqrstvwxz2456789';
export const suffixLength = 5;
/** Cut so that the result is still a DNS label. Source: k8s.io/apiserver/pkg/storage/names. */
export const generatedNameLengthMax = 63;

/** `length` letters out of `random`, which gives numbers in [0, 1). */
export function randomSuffix(random: () => number, length = suffixLength): string {
  let suffix = '';
  while (suffix.length < length) suffix += alphabet[Math.floor(random() * alphabet.length)] ?? '';
  return suffix;
}

/** The name that `metadata.generateName` stands for. */
export function generatedName(base: string, random: () => number): string {
  return base.slice(0, generatedNameLengthMax - suffixLength) + randomSuffix(random);
}
