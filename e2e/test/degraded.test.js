// When something is wrong, the page says what and what to do.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { look } from '../lib/browser.js'
import { isLive, row } from '../lib/page.js'
import { patience, until } from '../lib/until.js'
import { openWorld } from '../lib/world.js'

let world, blocked
describe('when something is wrong', () => {
  before(async () => {
    world = await openWorld()
    await world.register()
  })
  after(() => world?.close())

  test('health turns while somebody looks, and a person is told what to do', { timeout: patience }, async () => {
    await look(world, {}, async (page) => {
      await isLive(page)
      const well = await page.locator('#health').innerText()
      const calm = await page.locator('#attention').innerText()
      await world.do('lack', { scopes: ['create:client_grants'] })
      blocked = await world.register({}, 'blocked')
      await page.locator(row(blocked)).filter({ hasText: /blocked/i }).waitFor()
      await until('the page to say that it is not well', async () => await page.locator('#health').innerText() !== well)
      await until('the page to say what is needed', async () => /create:client_grants/.test(await page.locator('#attention').innerText()))
      assert.doesNotMatch(calm, /create:client_grants/)
    })
    await look(world, { js: false }, async (page) => {
      assert.match(await page.locator('#attention').innerText(), /create:client_grants/)
      assert.match(await page.locator('#health').innerText(), /degraded/i)
    })
  })

  test('the mark of live updates goes out with grantd, and comes back with it', { timeout: patience }, async () => {
    const excuse = /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_CONNECTION_RESET|Failed to load resource/
    await look(world, { excuse }, async (page) => {
      await isLive(page)
      await world.do('kill')
      await page.locator('[data-live=stale]').filter({ hasText: /stale since/i }).waitFor()
      await world.do('start')
      await page.locator('[data-live=live]').waitFor()
    })
  })
})
