import type { Actions } from '../engine/action.ts'
import type { Lan } from '../lan/lan.ts'
import { applyComponent } from './gitops/apply-component.ts'
import { installEngine } from './gitops/install-engine.ts'
import { pointEngine } from './gitops/point-engine.ts'
import { registerDeployKey } from './gitops/register-deploy-key.ts'
import { awaitHost } from './host/await-host.ts'
import { prepareHost } from './host/prepare-host.ts'
import { awaitCluster } from './kubeadm/await-cluster.ts'
import { drainNode } from './kubeadm/drain-node.ts'
import { initControlPlane } from './kubeadm/init-control-plane.ts'
import { joinNode } from './kubeadm/join-node.ts'
import { labelNode } from './kubeadm/label-node.ts'
import { removeNode } from './kubeadm/remove-node.ts'
import { createVm } from './proxmox/create-vm.ts'
import { destroyVm } from './proxmox/destroy-vm.ts'
import { fetchImage } from './proxmox/fetch-image.ts'
import { resizeVm } from './proxmox/resize-vm.ts'
import { startVm } from './proxmox/start-vm.ts'

/** A new step kind does not compile until it has an action. */
export const actions: Actions<Lan> = {
  'fetch-image': fetchImage,
  'create-vm': createVm,
  'resize-vm': resizeVm,
  'start-vm': startVm,
  'destroy-vm': destroyVm,
  'await-host': awaitHost,
  'prepare-host': prepareHost,
  'init-control-plane': initControlPlane,
  'join-node': joinNode,
  'drain-node': drainNode,
  'remove-node': removeNode,
  'label-node': labelNode,
  'await-cluster': awaitCluster,
  'apply-component': applyComponent,
  'register-deploy-key': registerDeployKey,
  'install-engine': installEngine,
  'point-engine': pointEngine,
}
