/** Exit status of a script that a newer run has overtaken. */
export const FENCED = 90
/** Exit status of a script that found another's cluster on the host. */
export const NOT_OURS = 91

/**
 * First lines of every script that changes a host: a run with a lower fence than the host has seen stops, and a host
 * that carries another cluster's mark is left alone. Expects FENCE and MARK as shell variables.
 */
export const GUARD = `
umask 022
mkdir -p /var/lib/slipway
seen=$(cat /var/lib/slipway/fence 2>/dev/null || echo 0)
if [ "$FENCE" -lt "$seen" ]; then echo "fence $FENCE is older than $seen" >&2; exit ${FENCED}; fi
if [ "$FENCE" -gt "$seen" ]; then echo "$FENCE" > /var/lib/slipway/fence.new && mv /var/lib/slipway/fence.new /var/lib/slipway/fence; fi
owner=$(cat /var/lib/slipway/cluster 2>/dev/null || true)
if [ -n "$owner" ] && [ "$owner" != "$MARK" ]; then echo "$owner" >&2; exit ${NOT_OURS}; fi
`
