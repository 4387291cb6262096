/** `slipway.policy.yaml` with every rule at its default, to be read and tightened. */
export function starterPolicy(): string {
  return `# yaml-language-server: $schema=https://slipway.dev/schema/v1alpha1/policy.schema.json
# Who may do what. Read from the default branch only: protect that branch with reviews.
apiVersion: slipway.dev/v1alpha1
kind: Policy
spec:
  apply:
    permission: write # least permission for /slipway apply: write or admin
    people: [] # when not empty: only these logins
    onMerge: reboot # gravest impact that merging alone may have; never: every plan waits for /slipway apply
    protectedClusters: [] # these always wait for /slipway apply
  destroy:
    allowed: true
    approvals: 2
    coolingOff: 10m
  bundles:
    commit: true # Slipway commits the files for the GitOps engine to the pull's branch
`
}

/** An age recipient, the public half of a key. */
const RECIPIENT = /^age1[02-9ac-hj-np-z]{58}$/

/**
 * `.sops.yaml` for one cluster: manifests under its `apps/` are encrypted to the human recovery key and, once the
 * runner has made it, to the cluster's own.
 * @param recovery - Recipient whose identity a person keeps off-line.
 * @param cluster - Recipient of the cluster, where it is known already.
 * @throws RangeError for a text that is not a recipient, above all for an identity (`AGE-SECRET-KEY-…`).
 */
export function starterSops(name: string, recovery: string, cluster?: string): string {
  const recipients = cluster === undefined ? [recovery] : [recovery, cluster]
  if (!recipients.every((recipient) => RECIPIENT.test(recipient)))
    throw new RangeError('an age recipient begins with age1; never write an identity here')
  return `# Encrypted for the person who keeps the recovery key and, once it exists, for the cluster itself.
creation_rules:
  - path_regex: ^clusters/${name}/.*\\.sops\\.ya?ml$
    encrypted_regex: ^(data|stringData)$
    age: ${recipients.join(',')}
`
}

/** What must never be committed from a checkout in which people run `slipway`. */
export function starterIgnore(): string {
  return `# Keys, kubeconfigs and plain copies of sealed files
*.agekey
keys.txt
*.kubeconfig
kubeconfig
*.dec.yaml
.env
# What slipway keeps beside the files
.slipway/
`
}
