import { parse } from 'yaml'
import * as z from 'zod'
import { Problem } from '../../src/core/problem.ts'

/** What a kubeconfig with a client certificate says: where, whom to trust, who one is. */
export interface Kubeconfig {
  /** `https://10.4.0.10:6443` */
  readonly server: string
  readonly ca: string
  readonly clientCertificate: { readonly cert: string; readonly key: string }
}

const Base64Pem = z.base64().transform((text) => Buffer.from(text, 'base64').toString('utf8'))
/** Only what is used; kubeadm writes more. */
const Document = z.object({
  'current-context': z.string(),
  contexts: z.array(z.object({ name: z.string(), context: z.object({ cluster: z.string(), user: z.string() }) })),
  clusters: z.array(
    z.object({
      name: z.string(),
      cluster: z.object({ server: z.url({ protocol: /^https$/ }), 'certificate-authority-data': Base64Pem }),
    }),
  ),
  users: z.array(
    z.object({
      name: z.string(),
      user: z.object({ 'client-certificate-data': Base64Pem, 'client-key-data': Base64Pem }),
    }),
  ),
})

/**
 * Reads the kubeconfig that kubeadm writes for the administrator.
 * @throws Problem `kube.kubeconfig`; nothing of the text is quoted.
 */
export function readKubeconfig(text: string): Kubeconfig {
  const parsed = Document.safeParse(tryYaml(text))
  const document = parsed.data
  const context = document?.contexts.find(({ name }) => name === document['current-context'])?.context
  const cluster = document?.clusters.find(({ name }) => name === context?.cluster)?.cluster
  const user = document?.users.find(({ name }) => name === context?.user)?.user
  if (cluster === undefined || user === undefined)
    throw new Problem({
      code: 'kube.kubeconfig',
      what: `reading the administrator's kubeconfig: ${
        parsed.success ? 'its context names no cluster and user' : parsed.error.issues.map(place).join('; ')
      }`,
      remedy: 'Delete the kept copy; it is fetched from a control plane again.',
      retry: 'never',
    })
  return {
    server: cluster.server,
    ca: cluster['certificate-authority-data'],
    clientCertificate: { cert: user['client-certificate-data'], key: user['client-key-data'] },
  }
}

function tryYaml(text: string): unknown {
  try {
    return parse(text)
  } catch {
    return undefined
  }
}

function place(issue: z.core.$ZodIssue): string {
  return `${issue.path.join('.') || 'the file'}: ${issue.code}`
}
