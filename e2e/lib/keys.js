// Using the page by the keyboard alone.
import assert from 'node:assert/strict'

// tabTo presses Tab until the element has the focus. Everything on the way must
// show that it has it and be within the window.
export async function tabTo (page, selector, { presses = 300 } = {}) {
  for (let n = 0; n < presses; n++) {
    await page.keyboard.press('Tab')
    const at = await page.evaluate((selector) => {
      const e = document.activeElement
      if (!e || e === document.body) return null
      const style = getComputedStyle(e)
      const box = e.getBoundingClientRect()
      return {
        what: e.outerHTML.slice(0, 120),
        there: e.matches(selector),
        ring: (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== 'none',
        seen: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth
      }
    }, selector)
    if (!at) continue
    assert.ok(at.ring, `the focus is not shown on ${at.what}`)
    assert.ok(at.seen, `the focus is outside of the window on ${at.what}`)
    if (at.there) return
  }
  assert.fail(`Tab, pressed ${presses} times, did not reach ${selector}`)
}
