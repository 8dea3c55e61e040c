// Checks for what people with a screen reader, a keyboard or weak eyes cannot
// use, by axe-core.
import assert from 'node:assert/strict'
import axe from 'axe-core'

// accessible fails on every violation that is serious or critical, and returns
// the others, a line each. rules is a tag of rules; without it all are checked.
export async function accessible (page, where, rules) {
  // By the debugger, which the page's policy does not hold back.
  if (!await page.evaluate(() => 'axe' in window)) await page.evaluate(axe.source)
  const found = await page.evaluate(async (rules) => {
    const { violations } = await window.axe.run(document, { resultTypes: ['violations'], preload: false, ...(rules && { runOnly: rules }) })
    return violations.map((v) => ({
      impact: v.impact,
      text: `${v.id} (${v.impact}): ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(' | ')}`
    }))
  }, rules)
  const bad = found.filter((v) => ['serious', 'critical'].includes(v.impact))
  assert.deepEqual(bad.map((v) => v.text), [], `axe-core on ${where}`)
  return found.map((v) => v.text)
}
