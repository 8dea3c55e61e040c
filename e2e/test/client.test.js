// The page of one client.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { look } from '../lib/browser.js'
import { row } from '../lib/page.js'
import { patience } from '../lib/until.js'
import { openWorld } from '../lib/world.js'

let world, ready, refused
describe('the page of a client', () => {
  before(async () => {
    world = await openWorld()
    ready = await world.register({ name: 'ChatGPT' })
    refused = await world.register({ name: 'Stranger', callbacks: ['https://evil.example/callback'] }, 'refused')
  })
  after(() => world?.close())

  test('the page of a client is a link away, and tells its story', { timeout: patience }, async () => {
    await look(world, {}, async (page) => {
      await page.locator(`${row(ready)} a`).first().click()
      await page.waitForURL(`**/clients/${ready}`)
      const text = await page.locator('main').innerText()
      const client = await world.get(`/api/v1/clients/${ready}`)
      for (const want of [ready, 'ChatGPT', ...client.callbacks]) assert.ok(text.includes(want), `the page lacks ${want}`)
      for (const condition of ['promoted', 'connected', 'granted']) assert.match(text, new RegExp(condition, 'i'))
      const { entries } = await world.get(`/api/v1/journal?client_id=${ready}`)
      assert.ok(entries.length > 0)
      for (const e of entries) {
        assert.ok(await page.locator(`time[datetime^="${e.at.slice(0, 19)}"]`).count() > 0, `the timeline lacks ${e.step} at ${e.at}`)
      }
      await page.goBack()
      assert.equal(await page.locator(row(ready)).count(), 1)
    })
  })

  test('the page of a refused client says why and what to do', { timeout: patience }, async () => {
    await look(world, { path: `/clients/${refused}`, js: false }, async (page) => {
      const text = await page.locator('main').innerText()
      assert.match(text, /refused/i)
      assert.match(text, /evil\.example/)
      assert.match(text, /GRANTD_ALLOWED_CLIENTS/)
    })
  })

  test('an unknown client is a page that says so, with a way back', { timeout: patience }, async () => {
    for (const path of ['/clients/tpc_nobody0000000000000000000000', '/clients/%3Cscript%3Ealert(1)%3C%2Fscript%3E']) {
      await look(world, { path, status: 404 }, async (page, res) => {
        assert.match(res.headers()['content-type'], /text\/html/)
        assert.match(await page.locator('h1').innerText(), /\S/)
        await page.locator('a[href="/"]').first().click()
        await page.locator('#clients').waitFor()
      })
    }
  })
})
