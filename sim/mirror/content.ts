import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { pack } from './archive.ts'
import type { Files } from './archive.ts'

const CONTENT = new URL('content/', import.meta.url)

/** Upstream's releases that the mirror has; the content is the same stand-in at every version. */
const VERSIONS = {
  flux: ['2.9.4'],
  argocd: ['3.4.4'],
  gatewayApi: ['1.3.0', '1.4.1', '1.5.1'],
  cilium: ['1.18.6', '1.19.3', '1.20.0'],
  fleet: ['0.15.6', '0.16.1'],
} as const

/**
 * Everything the mirror serves, path → bytes. Upstream's `https://HOST/PATH` is at `/HOST/PATH`, so a site's mirror rule
 * replaces `https://` by the mirror's address; the manifests are at short paths as well.
 */
export function content(): ReadonlyMap<string, Uint8Array> {
  const files = new Map<string, Uint8Array>()
  const add = (paths: readonly string[], bytes: Uint8Array) => {
    for (const path of paths) files.set(path, bytes)
  }
  for (const version of VERSIONS.flux) {
    const path = `flux2/releases/download/v${version}/install.yaml`
    add([`/${path}`, `/github.com/fluxcd/${path}`], manifest('flux.yaml', version))
  }
  for (const version of VERSIONS.argocd) {
    const path = `v${version}/manifests/install.yaml`
    const upstream = `/raw.githubusercontent.com/argoproj/argo-cd/${path}`
    add([`/argo-cd/${path}`, upstream], manifest('argo-cd.yaml', version))
  }
  for (const version of VERSIONS.gatewayApi) {
    const path = `gateway-api/releases/download/v${version}/standard-install.yaml`
    add([`/${path}`, `/github.com/kubernetes-sigs/${path}`], manifest('gateway-api.yaml', version))
  }
  addRepository(files, '/helm.cilium.io', { cilium: VERSIONS.cilium })
  addRepository(files, '/rancher.github.io/fleet-helm-charts', { 'fleet-crd': VERSIONS.fleet, fleet: VERSIONS.fleet })
  return files
}

/** `VERSION` in a manifest is the release it stands for. */
function manifest(file: string, version: string): Uint8Array {
  return Buffer.from(readFileSync(new URL(file, CONTENT), 'utf8').replaceAll('VERSION', `v${version}`))
}

/** A chart repository: `index.yaml` and an archive for every chart and version. */
function addRepository(
  files: Map<string, Uint8Array>,
  base: string,
  charts: Readonly<Record<string, readonly string[]>>,
): void {
  const index = ['apiVersion: v1', 'entries:']
  for (const [name, versions] of Object.entries(charts)) {
    index.push(`  ${name}:`)
    for (const version of versions.toReversed()) {
      const archive = packChart(name, version)
      const file = `${name}-${version}.tgz`
      files.set(`${base}/${file}`, archive)
      const digest = createHash('sha256').update(archive).digest('hex')
      index.push(
        `    - apiVersion: v2`,
        `      name: ${name}`,
        `      version: ${version}`,
        `      appVersion: "${version}"`,
        `      digest: ${digest}`,
        `      urls: [${file}]`,
      )
    }
  }
  files.set(`${base}/index.yaml`, Buffer.from(`${index.join('\n')}\n`))
}

/** The chart's folder under `content/charts`, as the version given. */
function packChart(name: string, version: string): Uint8Array {
  const folder = new URL(`charts/${name}/`, CONTENT)
  const files = new Map<string, Uint8Array>()
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = `${entry.parentPath}/${entry.name}`.slice(folder.pathname.length).replace(/^\//, '')
    const bytes = readFileSync(new URL(path, folder))
    files.set(
      `${name}/${path}`,
      path === 'Chart.yaml' ? Buffer.from(bytes.toString().replaceAll('VERSION', version)) : bytes,
    )
  }
  return pack(files satisfies Files)
}
