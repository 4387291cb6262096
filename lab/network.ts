import { program } from './program.ts'

/** Labs that may run beside each other. */
const NETWORKS = 16

/** A bridge with the machine that runs the lab at `.1`, and no way out: nothing is forwarded and nothing translated. */
export interface LabNetwork extends AsyncDisposable {
  readonly bridge: string
  /** Address of the machine that runs the lab. */
  readonly gateway: string
  /** Address of the machine with this number, 2 to 250. */
  address(number: number): string
}

/** The first free of a few networks, in the range that RFC 2544 sets aside for tests. */
export async function openNetwork(): Promise<LabNetwork> {
  for (let number = 0; number < NETWORKS; number++) {
    const bridge = `lab${number}`
    const subnet = `198.18.${number}`
    // Fails when somebody else has it, so that two labs never take the same.
    const made = await program('ip', 'link', 'add', bridge, 'type', 'bridge').then(
      () => true,
      (error: unknown) => {
        if (error instanceof Error && /File exists/.test(error.message)) return false
        throw error
      },
    )
    if (!made) continue
    await program('ip', 'address', 'add', `${subnet}.1/24`, 'dev', bridge)
    await program('ip', 'link', 'set', bridge, 'up')
    return {
      bridge,
      gateway: `${subnet}.1`,
      address: (machine) => `${subnet}.${machine}`,
      async [Symbol.asyncDispose]() {
        await program('ip', 'link', 'delete', bridge)
      },
    }
  }
  throw new Error(
    `bridges lab0 to lab${NETWORKS - 1} are all there; remove those that no lab uses: ip link delete lab0`,
  )
}
