import { functionTable, type FunctionTable, type Library } from './functions.ts';
import { kubernetesConversions, kubernetesLibrary } from './library/kubernetes.ts';
import { optionalLibrary, standardLibrary } from './library/standard.ts';
import { stringLibrary } from './library/strings.ts';

const base = [kubernetesConversions, standardLibrary, optionalLibrary, stringLibrary, kubernetesLibrary];

/** The functions that every rule has. */
export const kubernetesFunctions: FunctionTable = functionTable(...base);

/** The same with those of some rules alone. */
export const kubernetesFunctionsWith = (...more: readonly Library[]): FunctionTable => functionTable(...base, ...more);

/** Bound of upstream for one expression. Source: k8s.io/apiserver/pkg/apis/cel (config.go, PerCallLimit). */
export const costPerCallMax = 1_000_000;
