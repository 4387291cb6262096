/** Numbers of this process since it started, for `/metrics`. */
export interface Counters {
  count(name: CounterName, label?: string): void
  lines(): readonly string[]
}

const HELP = {
  slipway_webhooks_total: 'Webhooks received, by outcome.',
  slipway_runner_requests_total: 'Requests of runners, by status.',
} as const
export type CounterName = keyof typeof HELP

/** Kinds of label values are few and ours; this only keeps a mistake from growing without end. */
const LABELS = 50

export function counters(): Counters {
  const values = new Map<CounterName, Map<string, number>>()
  return {
    count(name, label = '') {
      const series = values.get(name) ?? new Map<string, number>()
      values.set(name, series)
      if (series.has(label) || series.size < LABELS) series.set(label, (series.get(label) ?? 0) + 1)
    },
    lines() {
      return [...values].flatMap(([name, series]) => [
        `# HELP ${name} ${HELP[name]}`,
        `# TYPE ${name} counter`,
        ...[...series].map(([label, value]) => `${name}{outcome=${JSON.stringify(label)}} ${value}`),
      ])
    },
  }
}
