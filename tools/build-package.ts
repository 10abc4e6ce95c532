/**
 * Makes `dist/`, what the npm package runs: the sources with their types stripped, and declarations beside them.
 * Runs before `npm pack`.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import path from 'node:path';

const root = path.join(import.meta.dirname, '..');
const src = path.join(root, 'src');
const dist = path.join(root, 'dist');
const isForTests = (file: string) => /\.test\.ts$|\/testing\/|(^|\/)contract\.ts$/.test(file);

/** Relative modules are named by the file that is there: `./x.ts` becomes `./x.js`. */
const renamed = (code: string) => code.replace(/(['"])(\.{1,2}\/[^'"\n]+)\.ts\1/g, '$1$2.js$1');

/** Writes `dist/` anew and returns how many modules it has. */
function build(): number {
  rmSync(dist, { recursive: true, force: true });
  const files = globSync('**/*', { cwd: src }).filter((file) => /\.(ts|json)$/.test(file) && !isForTests(file));
  for (const file of files) {
    const target = path.join(dist, file.replace(/\.ts$/, '.js'));
    mkdirSync(path.dirname(target), { recursive: true });
    if (file.endsWith('.json')) cpSync(path.join(src, file), target);
    else writeFileSync(target, renamed(stripTypeScriptTypes(readFileSync(path.join(src, file), 'utf8'))));
  }
  const areas = new Set(files.filter((file) => file.includes('/')).map((file) => file.split('/')[0]!));
  const imports = Object.fromEntries(
    [...areas].flatMap((area) => [
      [`#${area}/*.ts`, `./${area}/*.js`],
      [`#${area}/*.json`, `./${area}/*.json`],
    ]),
  );
  writeFileSync(path.join(dist, 'package.json'), `${JSON.stringify({ type: 'module', imports }, null, 2)}\n`);

  const config = path.join(root, 'node_modules', '.tsconfig.package.json');
  const options = {
    noEmit: false,
    declaration: true,
    emitDeclarationOnly: true,
    rootDir: src,
    outDir: dist,
    noCheck: true,
  };
  writeFileSync(
    config,
    JSON.stringify({
      extends: path.join(root, 'tsconfig.json'),
      compilerOptions: options,
      files: ['index.ts', ...globSync('api/*/*.ts', { cwd: src }).filter((file) => !isForTests(file))].map((file) =>
        path.join(src, file),
      ),
      include: [],
    }),
  );
  execFileSync(path.join(root, 'node_modules', '.bin', 'tsc'), ['-p', config], { stdio: 'inherit' });
  for (const file of globSync('**/*.d.ts', { cwd: dist })) {
    const target = path.join(dist, file);
    writeFileSync(target, renamed(readFileSync(target, 'utf8')));
  }
  return files.length;
}

// npm pack --json prints JSON on the standard output.
process.stderr.write(`${build()} files in dist/\n`);
