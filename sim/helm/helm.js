#!/usr/bin/env node
import { text } from 'node:stream/consumers'
import { helm } from './command.ts'

const { output, error, code } = await helm(process.argv.slice(2), () => text(process.stdin))
process.stdout.write(output)
process.stderr.write(error)
process.exitCode = code
