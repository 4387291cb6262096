import type { Component } from '../../src/core/component.ts'

/** Newest Gateway API whose standard definitions Cilium 1.19 and 1.20 both serve. */
const VERSION = 'v1.4.1'

/** The Gateway API's definitions, from one owner only; a controller must find them when it starts. */
export function gatewayApi(): Component {
  return {
    name: 'gateway-api',
    namespace: 'kube-system',
    source: {
      from: 'url',
      url: `https://github.com/kubernetes-sigs/gateway-api/releases/download/${VERSION}/standard-install.yaml`,
      version: VERSION,
    },
    waitsFor: [],
    owner: 'runner',
    stateful: false,
    secrets: [],
  }
}
