// The page beside `grantd demo --keep`, as whoever tries grantd first sees it.
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { look } from '../lib/browser.js'
import { isLive, row, rows, sections, showsCount, shownCounts } from '../lib/page.js'
import { patience, until } from '../lib/until.js'
import { openDemo } from '../lib/world.js'

const opened = openDemo()
opened.catch(() => {}) // the tests tell of it
describe('the demo', () => {
  after(async () => (await opened).close())

  test('every section is there, and says what the API says', { timeout: patience }, async () => {
    const demo = await opened
    await look(demo, {}, async (page) => {
      for (const id of sections) {
        assert.equal(await page.locator(`#${id}`).count(), 1, `#${id}`)
        assert.ok((await page.locator(`#${id}`).innerText()).trim().length > 10, `#${id} says nothing`)
      }
      await until('the page to say what the API says', async () => {
        const clients = await demo.clients()
        assert.deepEqual(await shownCounts(page), await demo.counts())
        assert.deepEqual((await rows(page)).sort(), clients.map((c) => c.client_id).sort())
        for (const c of clients) {
          assert.match(await page.locator(row(c.client_id)).innerText(), new RegExp(c.phase, 'i'))
        }
        return true
      })
      assert.match(await page.title(), /grantd/)
    })
  })

  test('a client that registers shows up, without a reload', { timeout: patience }, async () => {
    const demo = await opened
    await look(demo, {}, async (page) => {
      await isLive(page)
      const before = await shownCounts(page)
      await page.evaluate(() => { window.unloaded = 'never' })
      const id = await demo.register('Late guest')
      await page.locator(row(id)).waitFor()
      await page.locator(row(id)).filter({ hasText: /ready/i }).waitFor()
      await showsCount(page, 'ready', before.ready + 1)
      assert.match(await page.locator(row(id)).innerText(), /Late guest/)
      assert.equal(await page.evaluate(() => window.unloaded), 'never', 'the page was loaded again')
    })
  })

  test('without JavaScript a reload shows it', { timeout: patience }, async () => {
    const demo = await opened
    await look(demo, { js: false }, async (page) => {
      const before = await shownCounts(page)
      const id = await demo.register('Plain guest')
      await demo.reaches(id, 'ready')
      assert.equal(await page.locator(row(id)).count(), 0)
      await page.reload()
      assert.match(await page.locator(row(id)).innerText(), /Plain guest/)
      assert.equal((await shownCounts(page)).ready, before.ready + 1)
      for (const id of sections) assert.ok(await page.locator(`#${id}`).isVisible(), `#${id} is not seen without JavaScript`)
    })
  })
})
