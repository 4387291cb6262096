import { expect, test } from 'vitest'
import {
  CNI_RELEASES,
  cniRelease,
  containerdFits,
  containerdSeries,
  crioFits,
  DEFAULT_KUBERNETES,
  IMAGES,
  k3sVersion,
  KUBERNETES,
  kubernetesVersion,
} from '../../src/core/catalogue.ts'

test('a minor becomes its newest patch, a patch stays, everything else is unknown', () => {
  for (const [minor, { newestPatch }] of Object.entries(KUBERNETES)) {
    expect(kubernetesVersion(minor)).toBe(`${minor}.${newestPatch}`)
    expect(kubernetesVersion(`${minor}.0`)).toBe(`${minor}.0`)
    expect(kubernetesVersion(`${minor}.${newestPatch + 1}`)).toBeUndefined()
  }
  for (const text of ['1.28', '1.28.0', 'v1.36', '1.36.03', '1.36.x', '1', '', 'latest'])
    expect(kubernetesVersion(text)).toBeUndefined()
})

test('everything that a Kubernetes version needs is in the catalogue', () => {
  expect(Object.keys(KUBERNETES)).toContain(DEFAULT_KUBERNETES)
  for (const minor of Object.keys(KUBERNETES)) {
    expect(containerdFits(containerdSeries(minor), minor)).toBe(true)
    expect(k3sVersion(minor)).toMatch(/^1\.\d+\.\d+\+k3s\d$/)
    for (const kind of ['cilium', 'flannel', 'calico'] as const) {
      expect(cniRelease(kind, undefined, minor)?.kubernetes).toContain(minor)
    }
  }
})

test('containerd 1.7 is no longer for Kubernetes 1.36', () => {
  expect(containerdFits('1.7.28', '1.35.2')).toBe(true)
  expect(containerdFits('1.7.28', '1.36.4')).toBe(false)
})

test("CRI-O's minor is that of Kubernetes", () => {
  expect(crioFits('1.36.1', '1.36.4')).toBe(true)
  expect(crioFits('1.35.1', '1.36.4')).toBe(false)
})

test('a CNI may be named by its minor', () => {
  expect(cniRelease('cilium', '1.20', '1.36.4')).toBe(CNI_RELEASES.cilium[0])
  expect(cniRelease('cilium', '9.9', '1.36.4')).toBeUndefined()
})

test('images are fetched over https, into names that Proxmox takes for import', () => {
  for (const [name, image] of Object.entries(IMAGES)) {
    expect(image.name).toBe(name)
    expect(image.url).toMatch(/^https:\/\//)
    expect(image.file).toMatch(/^[A-Za-z0-9.+=_-]+\.(?:qcow2|raw|vmdk)$/)
  }
})
