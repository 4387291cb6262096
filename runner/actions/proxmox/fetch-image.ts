import { isRecord } from '../../../src/core/conditions.ts'
import { Problem } from '../../../src/core/problem.ts'
import type { Action } from '../../engine/action.ts'
import type { Lan } from '../../lan/lan.ts'
import type { ProxmoxApi } from '../../lan/proxmox-api.ts'

/** 700 MB over a slow line, with a wait for another download of the same node. */
const TIMEOUT_MS = 45 * 60_000
const RUNNING_POLL_MS = 3_000

export const fetchImage: Action<'fetch-image', Lan> = {
  timeoutMs: TIMEOUT_MS,
  async check({ connection, node, storage, file }, lan) {
    return (await lan.proxmox(connection).images(node, storage)).includes(file) ? 'done' : 'needed'
  },
  async apply({ connection, node, storage, url, file, checksum }, lan, context) {
    const api = lan.proxmox(connection)
    const content = await api.storageContent(storage)
    if (content.length > 0 && !content.includes('import'))
      throw new Problem({
        code: 'proxmox.no-import',
        what: `storage "${storage}" does not take images for import`,
        remedy: `As root on ${node}: pvesm set ${storage} --content ${[...content, 'import'].join(',')}`,
        retry: 'later',
      })
    // The answer to an earlier request may have been lost: one download of a file at a time.
    while (await isDownloading(api, node, file)) await lan.clock.sleep(RUNNING_POLL_MS, context.signal)
    if ((await api.images(node, storage)).includes(file)) return
    context.progress(`${node} downloads ${url}`)
    await api.change(
      'POST',
      `/nodes/${node}/storage/${storage}/download-url`,
      {
        content: 'import',
        url,
        filename: file,
        ...(checksum === undefined ? {} : { checksum: checksum.value, 'checksum-algorithm': checksum.algorithm }),
      },
      {
        timeoutMs: context.deadline - lan.clock.now(),
        signal: context.signal,
        progress: (text) => context.progress(text),
      },
    )
  },
}

/** The file name is the id of a download's task; a task without an end is running. */
async function isDownloading(api: ProxmoxApi, node: string, file: string): Promise<boolean> {
  const tasks = await api.get('/cluster/tasks')
  return (
    Array.isArray(tasks) &&
    tasks.some(
      (task: unknown) =>
        isRecord(task) &&
        task['type'] === 'download' &&
        task['node'] === node &&
        task['id'] === file &&
        task['endtime'] === undefined,
    )
  )
}
