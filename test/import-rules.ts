/** The table of docs/explanation/structure.md as data: what a folder may import of ours, and which packages. `node` stands for Node's own modules. */
export interface Rule {
  readonly folder: string
  readonly ours: readonly string[]
  readonly packages: readonly string[]
}

export const RENDERERS = ['flux', 'argocd', 'fleet'] as const
export const RULES: readonly Rule[] = [
  { folder: 'src/core', ours: ['src/core'], packages: ['zod', 'yaml', '@noble/hashes'] },
  {
    folder: 'src/secrets',
    ours: ['src/core', 'src/secrets'],
    packages: ['age-encryption', 'yaml', '@noble/ciphers', '@noble/hashes', 'zod'],
  },
  { folder: 'src/seams', ours: ['src/core', 'src/seams'], packages: [] },
  { folder: 'src/blueprint', ours: ['src/core', 'templates', ...RENDERERS, 'src/blueprint'], packages: [] },
  {
    folder: 'src/app',
    ours: ['src/core', 'src/seams', 'src/secrets', 'src/blueprint', 'templates', ...RENDERERS, 'src/app'],
    packages: ['zod'],
  },
  {
    folder: 'src/forge/github',
    ours: ['src/core', 'src/seams', 'src/secrets', 'src/forge'],
    packages: ['probot', '@octokit/rest', '@octokit/webhooks', 'zod'],
  },
  {
    folder: 'src/forge/gitlab',
    ours: ['src/core', 'src/seams', 'src/secrets', 'src/forge'],
    packages: ['@gitbeaker/rest', 'zod'],
  },
  { folder: 'src/forge/local', ours: ['src/core', 'src/seams', 'src/secrets', 'src/forge'], packages: ['node'] },
  { folder: 'src/forge', ours: ['src/core', 'src/seams', 'src/secrets', 'src/forge'], packages: [] },
  { folder: 'src/store', ours: ['src/core', 'src/seams', 'src/store'], packages: ['node'] },
  {
    folder: 'src/http',
    ours: ['src/core', 'src/seams', 'src/secrets', 'src/app', 'src/http'],
    packages: ['hono', 'zod'],
  },
  {
    folder: 'src/cli',
    ours: ['src', 'templates', 'runner', ...RENDERERS],
    packages: ['node', 'commander', 'yaml', 'zod'],
  },
  {
    folder: 'src/entry',
    ours: ['src', 'templates', ...RENDERERS],
    packages: ['node', 'hono', '@hono/node-server', 'zod'],
  },
  ...RENDERERS.map((folder) => ({ folder, ours: ['src/core', folder], packages: [] })),
  { folder: 'templates', ours: ['src/core', 'templates'], packages: [] },
  {
    folder: 'runner',
    ours: ['src/core', 'src/seams', 'src/secrets', 'src/blueprint', 'templates', ...RENDERERS, 'runner'],
    packages: ['node', 'zod', 'yaml', 'ssh2', 'socks', 'undici', '@kubernetes/client-node'],
  },
  { folder: 'sim', ours: ['sim', 'lab'], packages: ['*'] },
  {
    folder: 'tour',
    ours: ['sim', 'tour', 'src/cli', 'src/entry', 'src/core', 'src/secrets', 'templates'],
    packages: ['node', 'yaml', 'zod'],
  },
  { folder: 'lab', ours: ['lab'], packages: ['node'] },
  { folder: 'docs', ours: ['src', 'runner', 'templates', 'docs'], packages: ['node', 'zod', 'yaml'] },
  { folder: 'bench', ours: ['*'], packages: ['*'] },
  { folder: 'test', ours: ['*'], packages: ['*'] },
  { folder: 'bin', ours: ['src/cli'], packages: ['node'] },
]
