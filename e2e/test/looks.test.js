// The page at every width, in light and dark, for everybody.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { accessible } from '../lib/axe.js'
import { look, scrollsSideways } from '../lib/browser.js'
import { patience, until } from '../lib/until.js'
import { openWorld } from '../lib/world.js'

const widths = [320, 390, 820, 1440]

let world
const pages = []
describe('for everybody', () => {
  before(async () => {
    world = await openWorld()
    const ready = await world.register()
    await world.register({ name: 'Stranger', callbacks: ['https://evil.example/callback'] }, 'refused')
    pages.push(['the page, ok', '/'], ['a client', `/clients/${ready}`], ['an unknown client', '/clients/tpc_nobody', 404], ['a search without a result', '/?q=nobody'])
  })
  after(() => world?.close())

  // background is how light the page is, from 0 to 1.
  async function background (page) {
    const color = await page.evaluate(() => {
      const body = getComputedStyle(document.body).backgroundColor
      return /rgba\(0, 0, 0, 0\)|transparent/.test(body) ? getComputedStyle(document.documentElement).backgroundColor : body
    })
    const canvas = await page.evaluate((color) => {
      const c = document.createElement('canvas').getContext('2d')
      c.fillStyle = color
      c.fillRect(0, 0, 1, 1)
      return [...c.getImageData(0, 0, 1, 1).data]
    }, color)
    return (0.2126 * canvas[0] + 0.7152 * canvas[1] + 0.0722 * canvas[2]) / 255
  }

  // looksWell looks at a page at every width in both schemes.
  async function looksWell (t, [what, path, status = 200]) {
    const others = new Set()
    await look(world, { path, status }, async (page) => {
      for (const scheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme: scheme })
        const light = await background(page)
        assert.ok(scheme === 'light' ? light > 0.8 : light < 0.2, `${what}: the background in ${scheme} has a lightness of ${light.toFixed(2)}`)
        for (const width of widths) {
          await page.setViewportSize({ width, height: 900 })
          assert.ok(await scrollsSideways(page) <= 0, `${what} scrolls sideways at ${width} px`)
          if (width === 390 || width === 1440) {
            const rules = scheme === 'dark' ? 'cat.color' : undefined // nothing else differs
            for (const v of await accessible(page, `${what}, ${scheme}, ${width} px`, rules)) others.add(v)
          }
        }
      }
    })
    for (const v of others) t.diagnostic(`${what}: ${v}`)
  }

  test('no serious violation of accessibility, no sideways scrolling', { timeout: patience }, async (t) => {
    for (const p of pages) await looksWell(t, p)
  })

  test('the same when something is wrong', { timeout: patience }, async (t) => {
    await world.do('lack', { scopes: ['create:client_grants'] })
    const blocked = await world.register({}, 'blocked')
    await looksWell(t, ['the page, degraded', '/'])
    await looksWell(t, ['a blocked client', `/clients/${blocked}`])
  })

  test('the same of a client in every phase', { timeout: patience }, async (t) => {
    await world.do('lack') // nothing
    const ready = await world.register()
    const gone = await world.register()
    await world.do('delete', { client_id: gone })
    await world.reaches(gone, 'gone')
    const refused = await world.register({ name: 'Stranger', callbacks: ['https://evil.example/callback'] }, 'refused')
    await world.do('refuse', { text: 'not today' })
    const blocked = await world.register({}, 'blocked')
    await world.do('refuse')
    for (const [phase, id] of Object.entries({ ready, gone, refused, blocked })) {
      await looksWell(t, [`a client that is ${phase}`, `/clients/${id}`])
      await looksWell(t, [`the list of those that are ${phase}`, `/?phase=${phase}`])
    }
    await world.do('outage', { on: true })
    const pending = await world.register({}, 'pending')
    await until('a failure', async () => (await world.get(`/api/v1/clients/${pending}`)).last_error)
    await looksWell(t, ['a client that is pending', `/clients/${pending}`])
    await looksWell(t, ['the page, Auth0 out of reach', '/'])
    await world.do('outage')
    await world.reaches(pending, 'ready')
  })

  test('who wants no motion sees none', { timeout: patience }, async () => {
    await look(world, { motion: 'reduce' }, async (page) => {
      const moving = await page.evaluate(() => [...document.querySelectorAll('*')].filter((e) => {
        const s = getComputedStyle(e)
        const lasts = (list) => list.split(',').some((d) => parseFloat(d) > 0.01)
        return (s.animationName !== 'none' && lasts(s.animationDuration)) || (s.transitionProperty !== 'none' && lasts(s.transitionDuration))
      }).map((e) => e.outerHTML.slice(0, 100)))
      assert.deepEqual(moving, [])
    })
  })

  test('a page has a language, one main heading, landmarks and a way past them', { timeout: patience }, async () => {
    for (const [what, path, status = 200] of pages) {
      await look(world, { path, status }, async (page) => {
        assert.equal(await page.locator('html').getAttribute('lang'), 'en', what)
        assert.equal(await page.locator('h1').count(), 1, what)
        assert.equal(await page.locator('main').count(), 1, what)
        assert.equal(await page.locator('meta[name=viewport]').count(), 1, what)
      })
    }
  })
})
