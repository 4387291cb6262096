/** A distribution release that a host can run. */
export interface Os {
  readonly id: 'debian' | 'ubuntu'
  readonly version: string
  readonly codename: string
  readonly prettyName: string
  readonly kernel: string
  /** First user of the cloud image. */
  readonly user: string
  /** Address of the distribution's own package repository. */
  readonly archive: string
  readonly osRelease: string
}

function debian(version: string, codename: string, kernel: string): Os {
  const prettyName = `Debian GNU/Linux ${version} (${codename})`
  return {
    id: 'debian',
    version,
    codename,
    prettyName,
    kernel,
    user: 'debian',
    archive: 'http://deb.debian.org/debian',
    osRelease: `PRETTY_NAME="${prettyName}"
NAME="Debian GNU/Linux"
VERSION_ID="${version}"
VERSION="${version} (${codename})"
VERSION_CODENAME=${codename}
ID=debian
HOME_URL="https://www.debian.org/"
SUPPORT_URL="https://www.debian.org/support"
BUG_REPORT_URL="https://bugs.debian.org/"
`,
  }
}

function ubuntu(version: string, codename: string, name: string, kernel: string): Os {
  const prettyName = `Ubuntu ${version} LTS`
  return {
    id: 'ubuntu',
    version,
    codename,
    prettyName,
    kernel,
    user: 'ubuntu',
    archive: 'http://archive.ubuntu.com/ubuntu',
    osRelease: `PRETTY_NAME="${prettyName}"
NAME="Ubuntu"
VERSION_ID="${version}"
VERSION="${version} LTS (${name})"
VERSION_CODENAME=${codename}
ID=ubuntu
ID_LIKE=debian
HOME_URL="https://www.ubuntu.com/"
SUPPORT_URL="https://help.ubuntu.com/"
BUG_REPORT_URL="https://bugs.launchpad.net/ubuntu/"
UBUNTU_CODENAME=${codename}
`,
  }
}

const RELEASES = {
  'debian-12': debian('12', 'bookworm', '6.1.0-41-cloud-amd64'),
  'debian-13': debian('13', 'trixie', '6.12.57+deb13-cloud-amd64'),
  'ubuntu-22.04': ubuntu('22.04', 'jammy', 'Jammy Jellyfish', '5.15.0-161-generic'),
  'ubuntu-24.04': ubuntu('24.04', 'noble', 'Noble Numbat', '6.8.0-88-generic'),
} as const

export type OsName = keyof typeof RELEASES

export const osNamed = (name: OsName): Os => RELEASES[name]

/** The release inside a cloud image, read from its file name as the publishers write it. */
export function osOfImage(image: string): Os {
  if (/ubuntu-22\.04|jammy/.test(image)) return RELEASES['ubuntu-22.04']
  if (/ubuntu|noble/.test(image)) return RELEASES['ubuntu-24.04']
  if (/debian-13|trixie/.test(image)) return RELEASES['debian-13']
  return RELEASES['debian-12']
}
