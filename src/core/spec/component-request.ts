/** One entry under `components:` of the spec, by name; the settings are those of its schema in `component-settings.ts`. */
export interface ComponentRequest {
  readonly name: string
  readonly settings: Readonly<Record<string, unknown>>
}
