import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { blueprint } from '../src/blueprint/blueprint.ts'
import { bundle, bundleChanges } from '../src/core/bundle.ts'
import { noFacts } from '../src/core/facts.ts'
import { planCluster } from '../src/core/plan-cluster.ts'
import { reportPlan } from '../src/core/report/plan.ts'
import { parseClusterSpec } from '../src/core/spec/parse.ts'

const ROOT = join(import.meta.dirname, '..')
const SPEC = 'clusters/home/cluster.yaml'
/** A comment on GitHub, in characters; see `src/forge/github`. */
const COMMENT_LIMIT = 60_000
const START = '<!-- example: made by `npm run docs` -->'
const END = '<!-- end of example -->'

/** The README with its example made anew: a spec of `examples/` and the comment that a pull with it gets. */
export function readmePages(): ReadonlyMap<string, string> {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
  const [before, after] = [readme.split(START)[0], readme.split(END)[1]]
  if (before === undefined || after === undefined) throw new Error(`README.md lacks ${START} or ${END}`)
  const spec = readFileSync(join(ROOT, 'examples/home', SPEC), 'utf8')
  const sides = `<table>
<tr><th>you write <code>${SPEC}</code></th><th>and the pull request gets this comment</th></tr>
<tr><td valign="top">

\`\`\`yaml
${spec.trimEnd()}
\`\`\`

</td><td valign="top">

${withoutContents(comment(spec)).trimEnd()}

</td></tr>
</table>`
  return new Map([['README.md', `${before}${START}\n${sides}\n${END}${after}`]])
}

function comment(text: string): string {
  const repository = { sshUrl: 'ssh://git@github.com/you/home.git', branch: 'main', knownHosts: [] }
  const { spec, problems } = parseClusterSpec(text, SPEC, { repository })
  if (spec === undefined) throw new Error(`examples/home: ${problems.map(({ what }) => what).join('; ')}`)
  const print = blueprint(spec)
  const { plan } = planCluster(spec, print, noFacts(spec.name))
  if (plan === undefined) throw new Error('examples/home cannot be planned')
  return reportPlan({
    clusters: [
      {
        cluster: spec.name,
        plan,
        problems: [],
        bundle: { engine: spec.gitops.engine, changes: bundleChanges(bundle({}), print.bundle), files: print.bundle },
        next: { kind: 'merge' },
      },
    ],
    commit: '1f3e9ab',
    now: 0,
    limit: COMMENT_LIMIT,
  })
}

/** The files of the bundle are folded away in the comment; here their names are enough. */
function withoutContents(markdown: string): string {
  return markdown.replaceAll(/\n```yaml\n[\s\S]*?\n```\n/g, '')
}
