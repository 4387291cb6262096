import { manifest } from '../../../src/core/manifest.ts'
import type { NodeFile } from '../../../src/core/blueprint.ts'
import type { KubeadmDocument } from '../../../src/core/steps/kubeadm.ts'

/** kubeadm's documents as one file. */
export function kubeadmFile(documents: readonly KubeadmDocument[]): string {
  return manifest(documents)
}

/** Files for a node as one shell parameter: a line each of mode, path and base64 content. */
export function fileList(files: readonly NodeFile[]): string {
  return files.map(({ mode, path, content }) => `${mode} ${path} ${Buffer.from(content).toString('base64')}`).join('\n')
}

/**
 * Lets nothing be reset but what we began and did not end: a note that is made before kubeadm runs and removed after it
 * says so. A member that lost the note of its join is whole.
 */
export const ONLY_CUT_OFF = `if [ ! -e /var/lib/slipway/making ]; then
      echo "error: kubeadm has made a node here, and no note says that it was cut off; if it is whole, run here: date > /var/lib/slipway/joined" >&2
      exit 1
    fi`

/** Writes what {@link fileList} made, each file whole or not at all. Expects FILES as a shell variable. */
export const WRITE_FILES = `
if [ -n "$FILES" ]; then
  printf '%s\\n' "$FILES" | while read -r mode path content; do
    mkdir -p "$(dirname "$path")"
    printf '%s' "$content" | base64 -d > "$path.slipway-new"
    chmod "$mode" "$path.slipway-new"
    mv "$path.slipway-new" "$path"
  done
fi
`
