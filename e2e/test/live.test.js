// Updates while somebody works with the page.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { look } from '../lib/browser.js'
import { tabTo } from '../lib/keys.js'
import { isLive, row, showsCount } from '../lib/page.js'
import { openWorld } from '../lib/world.js'

describe('live updates', () => {
  let world, first
  before(async () => {
    world = await openWorld()
    first = await world.register()
  })
  after(() => world?.close())

  test('leave the focus and what was typed where they are', { timeout: 30_000 }, async () => {
    await look(world, {}, async (page) => {
      await isLive(page)
      const focused = () => page.evaluate(() => document.activeElement.getAttribute('href') ?? document.activeElement.name)
      await tabTo(page, `${row(first)} a`)
      const link = await focused()
      await page.locator(row(await world.register())).waitFor()
      assert.equal(await focused(), link)

      await page.locator('input[name=q]').focus()
      await page.keyboard.type('half a wo')
      await page.locator(row(await world.register())).waitFor()
      assert.equal(await focused(), 'q')
      await page.keyboard.type('rd')
      assert.equal(await page.locator('input[name=q]').inputValue(), 'half a word')
    })
  })

  test('keep to the filter and the search of the page', { timeout: 30_000 }, async () => {
    await look(world, { path: '/?q=Wanted' }, async (page) => {
      await isLive(page)
      const other = await world.register({ name: 'Other' })
      const wanted = await world.register({ name: 'Wanted' })
      await page.locator(row(wanted)).waitFor()
      assert.equal(await page.locator(row(other)).count(), 0)
    })
  })

  test('are few when much happens', { timeout: 30_000 }, async () => {
    await look(world, {}, async (page) => {
      await isLive(page)
      const ready = (await world.counts()).ready
      let asked = 0
      page.on('request', (r) => { if (r.resourceType() === 'fetch') asked++ })
      const began = Date.now()
      await world.do('register', { count: 15 })
      await showsCount(page, 'ready', ready + 15)
      const seconds = (Date.now() - began) / 1000
      assert.ok(asked <= seconds + 2, `${asked} fetches in ${seconds.toFixed(1)} s`)
    })
  })

  test('reach the page of a client', { timeout: 30_000 }, async () => {
    await look(world, { path: `/clients/${first}` }, async (page) => {
      await isLive(page)
      const entries = page.locator('#journal li')
      const n = await entries.count()
      await world.do('ungrant', { client_id: first })
      await entries.nth(n).waitFor({ timeout: 20_000 })
    })
  })
})
