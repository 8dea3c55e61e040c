// What the tests know of the page's markup.

// sections are the parts of the page, by id.
export const sections = ['health', 'attention', 'phases', 'feeds', 'budget', 'capacity', 'times', 'clients']

// row is the row of a client, or of any.
export const row = (id) => id ? `tr[data-client-id="${id}"]` : 'tr[data-client-id]'

// rows are the ids of the clients shown, in their order.
export const rows = (page) => page.locator(row()).evaluateAll((all) => all.map((r) => r.dataset.clientId))

// shownCounts is the number beside each phase.
export async function shownCounts (page) {
  const counts = {}
  for (const phase of ['ready', 'pending', 'blocked', 'refused', 'gone']) {
    const text = await page.locator(`#phases [data-phase="${phase}"]`).innerText()
    counts[phase] = Number(text.replace(/[^0-9]/g, ''))
  }
  return counts
}
