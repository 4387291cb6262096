import type { StepId, StepKind } from '../step.ts'

const WORDS: { readonly [K in StepKind]: readonly [doing: string, done: string] } = {
  'fetch-image': ['downloading an image', 'image downloaded'],
  'create-vm': ['being created', 'created'],
  'resize-vm': ['being resized', 'resized'],
  'start-vm': ['starting', 'switched on'],
  'destroy-vm': ['being destroyed', 'destroyed'],
  'await-host': ['booting', 'booted'],
  'prepare-host': ['being prepared', 'prepared'],
  'init-control-plane': ['starting the control plane', 'control plane started'],
  'join-node': ['joining', 'joined'],
  'drain-node': ['draining', 'drained'],
  'remove-node': ['leaving the cluster', 'left the cluster'],
  'label-node': ['getting labels and taints', 'labels and taints set'],
  'apply-component': ['being installed', 'installed'],
  'register-deploy-key': ['getting its deploy key', 'read-only deploy key registered'],
  'install-engine': ['being installed', 'installed'],
  'point-engine': ['being pointed at the repository', 'follows the repository'],
  'await-cluster': ['waiting for everything to be ready', 'everything ready'],
}

/** `create-vm/w-2` → `{ target: 'w-2', doing: 'being created', done: 'created' }`. */
export function stepWords(id: StepId): { readonly target: string; readonly doing: string; readonly done: string } {
  const slash = id.indexOf('/')
  const kind = slash < 0 ? id : id.slice(0, slash)
  const target = slash < 0 ? '' : id.slice(slash + 1)
  if (kind === 'fetch-image') {
    const [, node = '', , ...file] = target.split(':')
    return { target: file.join(':'), doing: `being downloaded to ${node}`, done: `downloaded to ${node}` }
  }
  const [doing, done] = Object.hasOwn(WORDS, kind) ? WORDS[kind as StepKind] : [kind, `${kind} done`]
  return { target, doing, done }
}
