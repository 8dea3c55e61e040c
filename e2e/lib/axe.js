// Checks for what people with a screen reader, a keyboard or weak eyes cannot
// use, by axe-core.
import assert from 'node:assert/strict'
import axe from 'axe-core'

// accessible fails on every violation that is serious or critical, and returns
// the others, a line each.
export async function accessible (page, where) {
  // By the debugger, which the page's policy does not hold back.
  await page.evaluate(axe.source)
  const found = await page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { resultTypes: ['violations'], preload: false })
    return violations.map((v) => ({
      impact: v.impact,
      text: `${v.id} (${v.impact}): ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(' | ')}`
    }))
  })
  const bad = found.filter((v) => ['serious', 'critical'].includes(v.impact))
  assert.deepEqual(bad.map((v) => v.text), [], `axe-core on ${where}`)
  return found.map((v) => v.text)
}
