// Updates while somebody works with the page.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { look } from '../lib/browser.js'
import { tabTo } from '../lib/keys.js'
import { isLive, row, showsCount } from '../lib/page.js'
import { patience, until } from '../lib/until.js'
import { openWorld } from '../lib/world.js'

describe('live updates', () => {
  let world, first
  before(async () => {
    world = await openWorld()
    first = await world.register()
  })
  after(() => world?.close())

  test('leave the focus and what was typed where they are', { timeout: patience }, async () => {
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

  test('leave the focus on a button to copy, too', { timeout: patience }, async () => {
    const changing = await world.register()
    await look(world, { path: `/clients/${changing}` }, async (page) => {
      await isLive(page)
      await tabTo(page, '#client [data-copies]')
      const shown = await page.locator('#client').elementHandle()
      await world.do('refuse', { text: 'not today' })
      await world.do('break', { client_id: changing })
      await page.locator('#client.blocked').waitFor()
      assert.equal(await shown.evaluate((e) => e.isConnected), false, 'the part was not exchanged')
      assert.equal(await page.evaluate(() => document.activeElement.getAttribute('aria-label')), `Copy ${changing}`)
      await world.do('refuse')
    })
  })

  test('leave the focus at the part where the link that had it went away', { timeout: patience }, async () => {
    await look(world, { path: '/?phase=refused' }, async (page) => {
      await isLive(page)
      const stranger = { name: 'Stranger', callbacks: ['https://evil.example/callback'] }
      const going = await world.register(stranger, 'refused')
      await page.locator(row(going)).waitFor()
      await page.locator(`${row(going)} a`).focus()
      await world.do('delete', { client_id: going })
      await page.locator(row(going)).waitFor({ state: 'detached' })
      assert.equal(await page.evaluate(() => document.activeElement.id), 'list')
      const shown = await page.locator('#list').elementHandle()
      const { ready } = await world.counts()
      await world.register()
      await showsCount(page, 'ready', ready + 1)
      assert.equal(await shown.evaluate((e) => e.isConnected), true, 'the part was exchanged, and read out again, for nothing')
    })
  })

  test('keep to the filter and the search of the page', { timeout: patience }, async () => {
    await look(world, { path: '/?q=Wanted' }, async (page) => {
      await isLive(page)
      const other = await world.register({ name: 'Other' })
      const wanted = await world.register({ name: 'Wanted' })
      await page.locator(row(wanted)).waitFor()
      assert.equal(await page.locator(row(other)).count(), 0)
    })
  })

  test('are few when much happens', { timeout: patience }, async () => {
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

  test('reach every one of many tabs, of which one is seen', { timeout: patience }, async () => {
    // What a browser tells a page that goes behind another, or comes back.
    const show = (page, seen) => page.evaluate((seen) => {
      Object.defineProperty(document, 'hidden', { value: !seen, configurable: true })
      document.dispatchEvent(new Event('visibilitychange'))
    }, seen)
    await look(world, {}, async (page) => {
      await isLive(page)
      const tabs = [page]
      for (let n = 0; n < 8; n++) { // a browser opens six connections
        await show(tabs.at(-1), false)
        const tab = await page.context().newPage()
        await tab.goto(world.url)
        await isLive(tab)
        tabs.push(tab)
      }
      const id = await world.register()
      await tabs.at(-1).locator(row(id)).waitFor()
      await tabs.at(-1).locator(row(await world.register())).waitFor() // by now the others would have it, too
      assert.equal(await page.locator(row(id)).count(), 0, 'a page that nobody sees is renewed')
      await show(tabs.at(-1), false)
      await show(page, true)
      await page.locator(row(id)).waitFor()
      await page.locator(row(await world.register())).waitFor()
    })
  })

  test('come, though later, where grantd has no stream left', { timeout: patience }, async () => {
    const crowd = new AbortController()
    try {
      const streams = []
      await until('all streams to be taken', async () => {
        const res = await fetch(`${world.url}/api/v1/events`, { signal: crowd.signal })
        if (res.ok) streams.push(res)
        return streams.length === 64
      })
      await look(world, { excuse: /503/ }, async (page) => {
        await page.locator('[data-live=off]').filter({ hasText: /as of/i }).waitFor()
        const id = await world.register()
        await page.locator(row(id)).waitFor()
        crowd.abort()
        await page.locator('[data-live=live]').waitFor()
      })
    } finally {
      crowd.abort()
    }
  })

  test('reach the page of a client', { timeout: patience }, async () => {
    await look(world, { path: `/clients/${first}` }, async (page) => {
      await isLive(page)
      const entries = page.locator('#journal li')
      const n = await entries.count()
      await world.do('ungrant', { client_id: first })
      await entries.nth(n).waitFor()
    })
  })
})
