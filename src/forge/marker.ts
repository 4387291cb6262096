import type { Topic } from '../seams/forge.ts'

/** Hidden line at the start of a comment, by which it is found again. */
export const markerOf = (topic: Topic): string => `<!-- slipway:${topic} -->`

/** A comment's text as stored at the forge. */
export const withMarker = (topic: Topic, markdown: string): string => `${markerOf(topic)}\n${markdown}`

/** Whether a stored comment is the one of a topic; forges may change line endings. */
export const hasMarker = (topic: Topic, body: string): boolean => body.startsWith(markerOf(topic))
