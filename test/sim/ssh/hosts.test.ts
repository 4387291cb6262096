import { once } from 'node:events'
import { SocksClient } from 'socks'
import ssh2 from 'ssh2'
import type { Client } from 'ssh2'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { scaledClock } from '../../../sim/clock.ts'
import type { SimLan } from '../../../sim/lan/lan.ts'
import { simLan } from '../../../sim/lan/lan.ts'
import type { MachineSpec } from '../../../sim/machine.ts'
import type { SimHosts } from '../../../sim/ssh/hosts.ts'
import { simHosts } from '../../../sim/ssh/hosts.ts'
import type { FakeKube } from './fake-kube.ts'
import { fakeKube, PREPARE } from './fake-kube.ts'

const key = ssh2.utils.generateKeyPairSync('ed25519')
let lan: SimLan
let hosts: SimHosts
let kube: FakeKube
const clients: Client[] = []

beforeEach(async () => {
  lan = await simLan()
  kube = fakeKube()
  hosts = await simHosts({ lan, kube, clock: scaledClock(1_000) })
})
afterEach(async () => {
  for (const client of clients.splice(0)) client.end()
  await hosts.close()
  await lan.close()
})

async function connect(address: string, username: string, privateKey: string = key.private): Promise<Client> {
  const proxy = new URL(lan.socksUrl)
  const { socket } = await SocksClient.createConnection({
    proxy: { host: proxy.hostname, port: Number(proxy.port), type: 5 },
    command: 'connect',
    destination: { host: address, port: 22 },
  })
  const client = new ssh2.Client()
  clients.push(client)
  // A lost connection is what some of these tests ask for.
  client.on('error', () => undefined)
  const ready = once(client, 'ready')
  client.connect({ sock: socket, username, privateKey })
  await ready
  return client
}

interface Ended {
  readonly stdout: string
  readonly stderr: string
  readonly exit: number | null | undefined
  readonly signal: string | undefined
}

function execute(client: Client, command: string, stdin = ''): Promise<Ended> {
  return new Promise((resolve, reject) => {
    client.exec(command, (error, channel) => {
      if (error !== undefined) {
        reject(error)
        return
      }
      let stdout = ''
      let stderr = ''
      let exit: number | null | undefined
      let signal: string | undefined
      channel.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
      channel.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
      channel.on('exit', (code: number | null, name?: string) => {
        exit = code
        signal = name
      })
      channel.on('close', () => resolve({ stdout, stderr, exit, signal }))
      channel.end(stdin)
    })
  })
}

const bare = (name: string, address: string, user = 'admin') =>
  hosts.addBareHost({ name, address, user, sshKeys: [key.public] })

const machine = (generation: string): MachineSpec => ({
  id: 'pve/401',
  generation,
  name: 'cp-1',
  cores: 2,
  memoryMiB: 4096,
  diskGiB: 32,
  mac: 'BC:24:11:00:00:01',
  image: 'debian-12-generic-amd64.qcow2',
  cloudInit: {
    user: 'ops',
    sshKeys: [key.public],
    address: '10.4.0.21/24',
    gateway: '10.4.0.1',
    nameservers: ['10.4.0.1'],
    upgradePackages: false,
  },
})

describe('SSH', () => {
  test('runs a script from standard input with arguments, as root through sudo', async () => {
    await bare('n1', '10.4.0.11')
    const client = await connect('10.4.0.11', 'admin')
    const got = await execute(client, 'sudo -n bash -s -- x "y z"', 'set -eu\necho "$2 $(id -un)"\ncat /etc/hostname\n')
    expect(got).toEqual({ stdout: 'y z root\nn1\n', stderr: '', exit: 0, signal: undefined })
  })

  test('keeps stdin, exit status, signals and UTF-8 apart', async () => {
    await bare('n1', '10.4.0.11')
    const client = await connect('10.4.0.11', 'admin')
    expect(await execute(client, 'echo ü; cat >&2; exit 7', 'é')).toMatchObject({ stdout: 'ü\n', stderr: 'é', exit: 7 })
    expect(await execute(client, 'kill -9 $$; echo no')).toMatchObject({ stdout: '', signal: 'SIGKILL' })
  })

  test('refuses another key and an unknown user', async () => {
    await bare('n1', '10.4.0.11')
    const other = ssh2.utils.generateKeyPairSync('ed25519')
    await expect(connect('10.4.0.11', 'admin', other.private)).rejects.toThrow(/authentication/i)
    await expect(connect('10.4.0.11', 'nobody')).rejects.toThrow(/authentication/i)
  })

  test('shows the host key that known_hosts has', async () => {
    await bare('n1', '10.4.0.11')
    const proxy = new URL(lan.socksUrl)
    const { socket } = await SocksClient.createConnection({
      proxy: { host: proxy.hostname, port: Number(proxy.port), type: 5 },
      command: 'connect',
      destination: { host: '10.4.0.11', port: 22 },
    })
    const client = new ssh2.Client()
    clients.push(client)
    const seen: string[] = []
    const ready = once(client, 'ready')
    client.connect({
      sock: socket,
      username: 'admin',
      privateKey: key.private,
      hostVerifier: (shown: Buffer) => {
        seen.push(shown.toString('base64'))
        return true
      },
    })
    await ready
    client.on('error', () => undefined)
    expect(hosts.knownHost('n1')).toContain(seen[0])
  })
})

describe('the machine room', () => {
  test('boots a virtual machine with its cloud-init user, address and agent, and remembers its disk', async () => {
    await hosts.powerOn(machine('a'))
    expect(hosts.state('cp-1')).toBe('booting')
    expect(await hosts.interfaces('pve/401')).toBeUndefined()
    await hosts.ready('cp-1')
    expect((await hosts.interfaces('pve/401'))?.[1]?.addresses[0]?.address).toBe('10.4.0.21')
    const client = await connect('10.4.0.21', 'ops')
    const waited = await execute(client, 'cloud-init status --wait; sudo sh -c "echo kept > /etc/mark"; hostname')
    expect(waited.stdout).toMatch(/status: done\ncp-1\n$/)
    const bootId = await hosts.runAsRoot('cp-1', 'cat /proc/sys/kernel/random/boot_id')
    await hosts.powerOff('pve/401', 'stop')
    expect(lan.targets()).not.toContain('10.4.0.21:22')
    await hosts.powerOn(machine('a'))
    await hosts.ready('cp-1')
    expect(hosts.readFile('cp-1', '/etc/mark')).toBe('kept\n')
    expect((await hosts.runAsRoot('cp-1', 'cat /proc/sys/kernel/random/boot_id')).stdout).not.toBe(bootId.stdout)
  })

  test('makes a new disk and a new host key for a machine that was made again', async () => {
    await hosts.powerOn(machine('a'))
    await hosts.ready('cp-1')
    hosts.writeFile('cp-1', '/etc/mark', 'old\n')
    const before = hosts.knownHost('cp-1')
    await hosts.destroy('pve/401')
    await hosts.powerOn(machine('b'))
    await hosts.ready('cp-1')
    expect(hosts.readFile('cp-1', '/etc/mark')).toBeUndefined()
    expect(hosts.knownHost('cp-1')).not.toBe(before)
  })

  test('a reboot ends the connection, keeps files and enabled units, and forgets what was only set at run time', async () => {
    await bare('n1', '10.4.0.11')
    const client = await connect('10.4.0.11', 'admin')
    const closed = once(client, 'close')
    await execute(
      client,
      'sudo sh -c "modprobe br_netfilter; sysctl -qw net.ipv4.ip_forward=1; systemctl stop cron; echo overlay > /etc/modules-load.d/k.conf; reboot"',
    )
    await closed
    await hosts.ready('n1')
    const got = await hosts.runAsRoot(
      'n1',
      'sysctl -n net.ipv4.ip_forward; systemctl is-active cron; lsmod | cut -d" " -f1',
    )
    expect(got.stdout).toBe('0\nactive\nModule\noverlay\n')
  })
})

describe('a host', () => {
  const run = async (command: string) => {
    const model = hosts.host('n1')
    return model.run({ script: command, login: model.login('admin')! })
  }
  beforeEach(() => bare('n1', '10.4.0.11'))

  test('keeps owners and modes, and refuses what root may only', async () => {
    expect(await run('echo x > /etc/file')).toMatchObject({
      exit: 1,
      stderr: 'bash: line 1: /etc/file: Permission denied\n',
    })
    expect(await run('set -e; echo x > /no/such/file; echo after')).toMatchObject({ exit: 1, stdout: '' })
    await run('sudo install -D -m 0640 -o root -g root /dev/stdin /etc/app/secret <<< hidden')
    expect((await run('stat -c "%a %U:%G" /etc/app/secret; cat /etc/app/secret')).stdout).toBe('640 root:root\n')
    expect((await run('(umask 077; echo a > /tmp/a); echo b > /tmp/b; stat -c %a /tmp/a /tmp/b')).stdout).toBe(
      '600\n644\n',
    )
  })

  test('replaces a file by renaming another over it', async () => {
    expect(await run('cd /tmp; echo a > f; echo b > f.new && mv f.new f; cat f; ls')).toMatchObject({
      stdout: 'b\nf\n',
    })
  })

  test('finds programs on its disk only', async () => {
    expect(await run('command -v kubeadm')).toMatchObject({ exit: 1, stdout: '' })
    expect(await run('sysctl -a')).toMatchObject({ exit: 127 })
    expect(await run('/usr/sbin/sysctl -n kernel.panic; command -v bash')).toMatchObject({
      stdout: '0\n/usr/bin/bash\n',
    })
  })

  test('runs exit traps with their functions, ends at exec, and puts jobs into the background', async () => {
    expect((await run('f() { rm -r "$d"; echo "$d"; }; d=/tmp/dir; trap f EXIT; mkdir "$d"; exit 3')).stdout).toBe(
      '/tmp/dir\n',
    )
    expect((await run('exec echo a; echo b')).stdout).toBe('a\n')
    expect((await run('while true; do sleep 1; done & echo here')).stdout).toBe('here\n')
    expect(await run('timeout 5 sleep 60')).toMatchObject({ exit: 124 })
  })

  test('apt trusts no repository without its key, knows no package of it, and holds what it is told', async () => {
    const line = 'deb [signed-by=/etc/apt/keyrings/k.gpg] https://pkgs.k8s.io/core:/stable:/v1.36/deb/ /'
    await hosts.runAsRoot('n1', `echo '${line}' > /etc/apt/sources.list.d/k.list`)
    const refused = await run('sudo apt-get -q update')
    expect(refused.exit).toBe(100)
    expect(refused.stderr).toContain('NO_PUBKEY 234654DA9A296436')
    expect((await run('sudo apt-get -qy install kubeadm')).stderr).toBe('E: Unable to locate package kubeadm\n')
    await hosts.runAsRoot('n1', 'rm /etc/apt/sources.list.d/k.list')
    const prepared = await hosts.runAsRoot('n1', 'bash -s', PREPARE)
    expect(prepared).toMatchObject({ exit: 0 })
    expect((await run('sudo apt-get -qy install kubeadm=1.36.4-1.1')).stderr).toContain('Held packages were changed')
    expect(
      (await run('sudo apt-get -qy install --allow-change-held-packages kubeadm=1.36.4-1.1; kubeadm version -o short'))
        .stdout,
    ).toMatch(/v1\.36\.4\n$/)
  })

  test('apt waits for a lock as long as it is told', async () => {
    await run('sudo apt-get -q update')
    hosts.setFaults({ aptLock: { calls: [1, 2] } })
    expect(await run('sudo apt-get -qy install tree')).toMatchObject({
      exit: 100,
      stderr: expect.stringContaining('It is held by process'),
    })
    expect(await run('sudo apt-get -qy -o DPkg::Lock::Timeout=60 install tree')).toMatchObject({ exit: 0 })
  })

  test('a power loss during an install leaves dpkg interrupted until it is told to go on', async () => {
    await run('sudo apt-get -q update')
    const installing = run('sudo apt-get -qy install chrony curl wget lvm2 open-iscsi')
    while (!hosts.host('n1').dpkgInterrupted) await new Promise((resolve) => setTimeout(resolve, 0))
    await hosts.crash('n1')
    await installing
    await hosts.start('n1')
    expect((await run('sudo apt-get -qy install tree')).stderr).toContain('dpkg --configure -a')
    expect((await run('sudo dpkg --configure -a; sudo apt-get -qy install tree')).exit).toBe(0)
  })

  test('nothing is recorded as changed when nothing was', async () => {
    await hosts.runAsRoot('n1', PREPARE)
    const before = hosts.mutations('n1').filter((what) => !/update|--system|restart/.test(what))
    await hosts.runAsRoot('n1', PREPARE.replace('gpg --dearmor', 'gpg --yes --dearmor'))
    expect(hosts.mutations('n1').filter((what) => !/update|--system|restart/.test(what))).toEqual(before)
  })
})

describe('faults', () => {
  test('a connection is lost before or after the effect', async () => {
    await bare('n1', '10.4.0.11')
    hosts.setFaults({
      connectionResetAfter: { calls: [1], match: 'touch' },
      connectionResetBefore: { calls: [1], match: 'mkdir' },
    })
    for (const command of ['touch /tmp/made', 'mkdir /tmp/never']) {
      const client = await connect('10.4.0.11', 'admin')
      const closed = once(client, 'close')
      void execute(client, command).catch(() => undefined)
      await closed
    }
    expect(hosts.readFile('n1', '/tmp/made')).toBe('')
    expect((await hosts.runAsRoot('n1', 'test -e /tmp/never')).exit).toBe(1)
    expect(hosts.commands('n1').map(({ command }) => command)).toEqual(['touch /tmp/made'])
  })

  test('a disk is full for one command, and another ends with a signal', async () => {
    await bare('n1', '10.4.0.11')
    const client = await connect('10.4.0.11', 'admin')
    hosts.setFaults({ diskFull: { calls: [1], match: 'big' }, exitSignal: { calls: [1], match: 'uptime' } })
    expect(await execute(client, 'echo x > /tmp/big')).toMatchObject({
      exit: 1,
      stderr: expect.stringContaining('No space left'),
    })
    expect(await execute(client, 'echo x > /tmp/big')).toMatchObject({ exit: 0 })
    expect(await execute(client, 'uptime')).toMatchObject({ signal: 'SIGKILL' })
  })

  test('a host comes back with another key', async () => {
    await bare('n1', '10.4.0.11')
    const before = hosts.knownHost('n1')
    hosts.setFaults({ hostKeyChanged: { calls: [1] } })
    await hosts.crash('n1')
    await hosts.start('n1')
    expect(hosts.knownHost('n1')).not.toBe(before)
  })
})

describe('kubeadm', () => {
  const config = `apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
bootstrapTokens: [{token: abcdef.0123456789abcdef, ttl: 2h0m0s}]
nodeRegistration: {name: cp-1, taints: []}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v1.36.3
controlPlaneEndpoint: 10.4.0.10:6443
networking: {podSubnet: 10.244.0.0/16}
`
  test('init and join reach Kubernetes once, and say why they would not again', async () => {
    await bare('n1', '10.4.0.11', 'root')
    await bare('n2', '10.4.0.12', 'root')
    for (const name of ['n1', 'n2']) await hosts.runAsRoot(name, PREPARE)
    hosts.writeFile('n1', '/root/kubeadm.yaml', config)
    const init = await hosts.runAsRoot('n1', 'kubeadm init --config /root/kubeadm.yaml')
    expect(init).toMatchObject({ exit: 0 })
    expect(kube.inits).toMatchObject([
      {
        kubernetesVersion: 'v1.36.3',
        controlPlaneEndpoint: '10.4.0.10:6443',
        podSubnet: '10.244.0.0/16',
        bootstrapTokens: [{ token: 'abcdef.0123456789abcdef', ttlMs: 7_200_000 }],
        node: { name: 'cp-1', address: '10.4.0.11', kubeletVersion: 'v1.36.3', taints: [] },
      },
    ])
    expect(hosts.readFile('n1', '/etc/kubernetes/admin.conf')).toContain('https://10.4.0.10:6443')
    const members = await hosts.runAsRoot('n1', 'crictl exec etcd etcdctl member list -w json')
    expect(JSON.parse(members.stdout)).toMatchObject({
      members: [{ name: 'cp-1', peerURLs: ['https://10.4.0.11:2380'] }],
    })
    const hash = /sha256:\w+/.exec(init.stdout)![0]
    const join = `kubeadm join 10.4.0.10:6443 --token abcdef.0123456789abcdef --discovery-token-ca-cert-hash ${hash}`
    expect((await hosts.runAsRoot('n2', join)).stdout).toContain('This node has joined the cluster')
    expect(kube.joined).toEqual(['n2'])
    const again = await hosts.runAsRoot('n2', join)
    expect(again).toMatchObject({
      exit: 1,
      stderr: expect.stringContaining('[ERROR FileAvailable--etc-kubernetes-kubelet.conf]'),
    })
    expect(kube.joined).toEqual(['n2'])
    await hosts.runAsRoot('n2', 'systemctl stop kubelet')
    expect(kube.kubelets).toEqual(['cp-1 running', 'n2 running', 'n2 stopped'])
  })

  test('refuses a host that is not prepared, a taken port and a config with a typo', async () => {
    await bare('n1', '10.4.0.11', 'root')
    await hosts.runAsRoot('n1', PREPARE)
    hosts.host('n1').foreignPorts.add(6443)
    await hosts.runAsRoot(
      'n1',
      'containerd config default | sed \'s/disabled_plugins = ../disabled_plugins = ["cri"]/\' > /etc/containerd/config.toml; sysctl -qw net.ipv4.ip_forward=0',
    )
    const refused = await hosts.runAsRoot('n1', 'kubeadm init --kubernetes-version v1.36.3')
    expect(refused.stderr).toContain('[ERROR Port-6443]: Port 6443 is in use')
    expect(refused.stderr).toContain('unknown service runtime.v1.RuntimeService')
    expect(refused.stderr).toContain('[ERROR FileContent--proc-sys-net-ipv4-ip_forward]')
    hosts.writeFile('n1', '/root/c.yaml', config.replace('networking:', 'network:'))
    expect((await hosts.runAsRoot('n1', 'kubeadm init --config /root/c.yaml')).stderr).toContain(
      'unknown field "network"',
    )
    expect(kube.inits).toEqual([])
  })
})
