/**
 * - `connectionResetBefore`: the connection is lost before the command starts (matched against the command).
 * - `connectionResetAfter`: the command runs, its answer never arrives.
 * - `noAnswer`: a new connection is accepted and never answered.
 * - `slowBoot`: this boot takes ten times as long (matched against the host's name).
 * - `aptLock`: another program takes the apt lock for a simulated half minute just before this apt command.
 * - `diskFull`: nothing more can be written while this command runs.
 * - `hostKeyChanged`: the host shows another key after this boot (matched against the host's name).
 * - `rebootDuring`: the machine reboots while this command runs, before it has an effect.
 * - `exitSignal`: the command runs and then ends with SIGKILL instead of a status.
 */
export type HostFault =
  | 'connectionResetBefore'
  | 'connectionResetAfter'
  | 'noAnswer'
  | 'slowBoot'
  | 'aptLock'
  | 'diskFull'
  | 'hostKeyChanged'
  | 'rebootDuring'
  | 'exitSignal'
