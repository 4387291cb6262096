import { readmePages } from './readme-example.ts'
import { runnerPages } from './runner-page.ts'
import { cliPages } from './cli-page.ts'
import { specPages } from './spec-pages.ts'
import { stepsPages } from './steps-page.ts'

/** Every generated file of the repository, by path from its root. */
export function generatedPages(): ReadonlyMap<string, string> {
  return new Map([...specPages(), ...stepsPages(), ...runnerPages(), ...readmePages(), ...cliPages()])
}
