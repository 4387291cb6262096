import { stringify } from 'yaml'
import { versionInfo } from '../server.ts'

const KUSTOMIZE = 'v5.8.1'

/** `kubectl version` of a client as old as the server. */
export function dump(version: string, format: string | undefined, clientOnly: boolean): string {
  const info = {
    clientVersion: versionInfo(version),
    kustomizeVersion: KUSTOMIZE,
    ...(clientOnly ? {} : { serverVersion: versionInfo(version) }),
  }
  if (format === 'json') return `${JSON.stringify(info, null, 2)}\n`
  if (format === 'yaml') return stringify(info)
  return `Client Version: ${version}\nKustomize Version: ${KUSTOMIZE}\n${clientOnly ? '' : `Server Version: ${version}\n`}`
}
