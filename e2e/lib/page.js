// What the tests know of the page's markup.
import { until } from './until.js'

// sections are the parts of the page, by id.
export const sections = ['health', 'attention', 'phases', 'feeds', 'budget', 'capacity', 'times', 'clients']

// row is the row of a client, or of any.
export const row = (id) => id ? `tr[data-client-id="${id}"]` : 'tr[data-client-id]'

// rows are the ids of the clients shown, in their order.
export const rows = (page) => page.locator(row()).evaluateAll((all) => all.map((r) => r.dataset.clientId))

const count = (phase) => `#phases .tile.${phase} .count`

// shownCounts is the number beside each phase.
export async function shownCounts (page) {
  const counts = {}
  for (const phase of ['ready', 'pending', 'blocked', 'refused', 'gone']) {
    counts[phase] = number(await page.locator(count(phase)).innerText())
  }
  return counts
}

const number = (text) => Number(text.replace(/[^0-9]/g, ''))

// showsCount waits until so many clients are shown to be in the phase.
export function showsCount (page, phase, n) {
  return until(`${n} clients to be ${phase}`, async () => number(await page.locator(count(phase)).innerText()) === n)
}

// isLive waits until the page follows grantd.
export const isLive = (page) => page.locator('[data-live=live]').waitFor()
